"""What is drawn, tabulated and told of domain walls."""

"""What is drawn, tabulated and told of atoms."""

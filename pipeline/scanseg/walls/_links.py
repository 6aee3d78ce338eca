"""Kernels of skeletons as graphs: P pixels, numbered row by row, and which are linked to which."""

# The types are numba's: one specialisation each.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"
from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def link_pixels(number, pixels, links, count):
    """Numbers of the pixels that each is linked to, ascending, (P, 8), and how many, (P,).

    ``number`` is that of each pixel of the skeleton, -1 elsewhere and in a frame around the image.
    Pixels that touch over a corner are linked unless a third one links them already.
    """
    for p in range(len(pixels)):
        y, x = pixels[p, 0] + 1, pixels[p, 1] + 1
        count[p] = 0
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                near = number[y + dy, x + dx]
                if near < 0 or near == p:
                    continue
                if dy and dx and (number[y + dy, x] >= 0 or number[y, x + dx] >= 0):
                    continue
                links[p, count[p]] = near
                count[p] += 1


@njit(cache=True, nogil=True)
def number_nodes(links, count, node_of):
    """Node of each pixel that is an end point or part of a junction, else -1; and their count."""
    node_of[:] = -1
    waiting = np.empty(len(count), np.int64)
    n_nodes = 0
    for first in range(len(count)):
        if count[first] == 2 or node_of[first] >= 0:
            continue
        node_of[first] = n_nodes
        waiting[0] = first
        n_waiting = 1 if count[first] > 2 else 0
        while n_waiting:
            n_waiting -= 1
            here = waiting[n_waiting]
            for slot in range(count[here]):
                near = links[here, slot]
                if node_of[near] < 0 and count[near] > 2:
                    node_of[near] = n_nodes
                    waiting[n_waiting] = near
                    n_waiting += 1
        n_nodes += 1
    return n_nodes


@njit(cache=True, nogil=True)
def walk_branches(links, count, node_of, walk, end):
    """Pixels of each branch in order, those of its nodes included, and where each ends; rings last.

    Returns
    -------
    n_walks
        How many there are: number n goes from ``end[n - 1]`` to ``end[n] - 1``.
    """
    walked = np.zeros(links.shape, np.bool_)
    reached = node_of >= 0
    at, n_walks = 0, 0
    for rings in (False, True):
        for first in range(len(count)):
            if rings and reached[first]:
                continue
            if not rings and node_of[first] < 0:
                continue
            for slot in range(1 if rings else count[first]):
                second = links[first, slot]
                if not rings and (walked[first, slot] or node_of[second] == node_of[first]):
                    continue
                before, here = first, second
                walk[at] = first
                walk[at + 1] = second
                at += 2
                reached[first] = True
                reached[second] = True
                while node_of[here] < 0 and here != first:
                    after = links[here, 0] if links[here, 1] == before else links[here, 1]
                    before, here = here, after
                    walk[at] = here
                    reached[here] = True
                    at += 1
                for back in range(count[here]):
                    if links[here, back] == before:
                        walked[here, back] = True
                end[n_walks] = at
                n_walks += 1
    return n_walks

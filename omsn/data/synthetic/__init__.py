"""Talking faces that the package renders itself, as MP4 files with sound: for the demo and the tests."""

from omsn.data.synthetic.render import render_corpus

__all__ = ["render_corpus"]

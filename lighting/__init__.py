"""The lamp plan: what every lamp should do at any time, and why.

Pure: the cabinet runs it, the centre previews it.
"""

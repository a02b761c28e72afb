"""Releases side by side on a machine, and which of them is in force.

Needs the standard library alone: it stands outside of the releases too (/usr/lib/gengfu/releases), so that a
release that does not work can be left. The layout below /opt/gengfu:

    releases/VERSION-DIGEST/     a whole release with its packages; never changed once it has its name
    current                      the symbolic link that decides which one runs
    previous                     the one before, kept to go back to
    trial.json                   a release is in force and has not proved itself yet
    failed.json                  which one was left last, and why
"""

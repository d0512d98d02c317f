"""What goes to a path or an object store that every host reaches, so that none is shared else.

URL/<sweep>/
    owner.json                      which sweep this is; another is refused
    checkpoints/<trial>/<label>/    objects, whose names begin with the step
    puzzles/<name>-<fingerprint>/   the puzzle set, for hosts that do not see the driver's
    mirror/                         packs of the sweep's folder, and newest.json
"""

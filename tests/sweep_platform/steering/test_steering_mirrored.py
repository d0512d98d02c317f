"""Messages go with the folder to its mirror, and to another head."""

import io
from pathlib import Path

from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.steering.messages import Answer, Verb
from sweep_platform.store.storage.packs import FolderLog, replay


def test_messages_and_answers_are_in_the_packs_of_a_folder(tmp_path: Path) -> None:
    folder, there = SweepFolder(tmp_path / "here"), tmp_path / "there"
    folder.root.mkdir()
    log, packs = FolderLog(folder.root), []
    sent = [folder.messages.send(Verb.STOP, {"trial": 3})]
    for text in ("trial 3 ends", None):
        packs.append(io.BytesIO())
        assert log.pack(packs[-1], all_of_it=len(packs) == 1)
        if text:
            folder.messages.give(1, Answer(accepted=True, text=text, answered=1.0))
            sent.append(folder.messages.send(Verb.PAUSE, {}))
    there.mkdir()
    for pack in packs:
        pack.seek(0)
    replay(iter(packs), there)
    history = SweepFolder(there).messages.history()
    assert history == folder.messages.history()
    assert [one.message for one in history] == sent

"""Stage `text`: sentence embeddings of all items."""

from __future__ import annotations

from colisten.listening.data import ListeningData
from colisten.pipeline.stage import Context, Stage, files_in
from colisten.workdir import file_digest


def _run(context: Context) -> str:
    from colisten.text.encoding import encode_items

    folder = context.workdir.features
    encode_items(ListeningData(context.workdir.listening), context.settings.text, folder, context.progress)
    return file_digest(folder / "text.safetensors")


STAGE = Stage(
    "text",
    "Encoding texts",
    depends_on=("listening",),
    settings=("text.*",),
    ignores=("text.batch_size",),
    run=_run,
    files=files_in("features/text.safetensors"),
    output_exists=lambda context: (context.workdir.features / "text.safetensors").exists(),
)

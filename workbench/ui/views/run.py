"""One run: curves, evaluation, mistakes, the net layer by layer, settings, how to repeat it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from nets import inside
from nets.config import from_dict
from workbench.data.sources.dataframe import DataFrameSource, describe_frame
from workbench.ui import (
    as_python,
    calibration,
    charts,
    evaluation_parts,
    experiment_file,
    page_parts,
    reports,
    run_choice,
    run_curves,
    run_files,
    run_logs,
    store,
    widgets,
)
from workbench.ui.data import doubts
from workbench.ui.errors import Missing
from workbench.ui.inside import artifacts, pictures

_LIVE_S = 3
_LOG_LINES = 200


def main() -> None:
    widgets.title(
        "Run",
        "What one run did: its curves, its results and mistakes, its net and settings. *Reproduce* "
        "has the command that repeats it.",
        "docs/browser#run",
    )
    run = run_choice.pick_run(kinds=("train", "trial"))
    chosen = widgets.choose("Show", page_parts.RUN, "part", label_visibility="collapsed")
    if chosen == "Curves":
        _live(run)
    else:
        _headline(run)
        {
            "Evaluation": _evaluation,
            "Mistakes": _mistakes,
            "Samples": doubts.draw,
            "Net": _net,
            "Settings": _settings,
            "Reproduce": _reproduce,
            "Log": _log,
        }[chosen](run)


def _live(run: store.Run) -> None:
    live = run.status == "RUNNING"

    @st.fragment(run_every=_LIVE_S if live else None)
    def body() -> None:
        fresh = store.run(run.id) or run
        if live and fresh.status != "RUNNING":
            st.rerun()
        _headline(fresh)
        run_curves.draw(fresh)

    body()


def _read_test_metric(run: store.Run) -> tuple[str, str]:
    """Name and text of the test result: the accuracy, or the error of a net without classes."""
    for name in ("accuracy", "mae", "mse", "loss"):
        if (value := run.metrics.get(f"test/{name}")) is not None:
            return f"Test {name}", widgets.number(value)
    return "Test", "–"


def _read_waits(run: store.Run) -> list[tuple[str, str]]:
    """How long the last epoch waited for its rows; empty for runs that did not record it."""
    share = run.metrics.get("data/share_waited")
    return [] if share is None else [("Waited for data", f"{share:.1%}")]


def _headline(run: store.Run) -> None:
    best = run.best()
    epochs = store.num_epochs(run.id)
    shown = [
        ("Status", run.state),
        (f"Best {best[0]}" if best else "Best", widgets.number(best[1] if best else None)),
        _read_test_metric(run),
        ("Epochs", "–" if epochs is None else str(epochs)),
        ("Samples per s", widgets.number(run.metrics.get("samples_per_s"))),
        *_read_waits(run),
        ("Took", widgets.duration(run.seconds)),
    ]
    for column, (label, value) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(label, value)
    if error := run.tags.get("workbench.error"):
        st.error(error, icon=":material/error:")
    for verdict in run.tags.get("workbench.verdicts", "").splitlines():
        st.warning(verdict, icon=":material/lightbulb:")
    if note := run.tags.get("mlflow.note.content"):
        st.markdown("> " + note.replace("\n", "\n> "))


def _evaluation(run: store.Run) -> None:
    with widgets.part():
        evaluation = artifacts.evaluation(run.id)
        task = evaluation.values.get("task")
        if task == "values":
            evaluation_parts.draw_values(run)
        elif task == "reconstruction":
            evaluation_parts.draw_reconstructions(run)
        else:
            _classes(run, evaluation)


def _classes(run: store.Run, evaluation: artifacts.Evaluation) -> None:
    with widgets.part():
        matrix = np.asarray(evaluation.values.get("confusion", []), dtype=float)
        if matrix.ndim != 2 or not matrix.size:
            raise Missing("The evaluation has no confusion matrix.")
        names = evaluation.labels or [str(i) for i in range(len(matrix))]
        left, right = st.columns([3, 2])
        with left:
            st.subheader("Confusion matrix", anchor=False, help="Click a cell to see its samples.")
            clicked = _confusion(matrix, names)
        with right:
            st.subheader("By class", anchor=False)
            _per_class(evaluation, names)
        if clicked is not None:
            _cell(run, clicked, names)
        else:
            st.caption("Click a cell to see the samples in it.")
    with widgets.part(
        "Calibration",
        "Of the answers with the same confidence, the share that is right. A well calibrated net is "
        "right in 9 of 10 answers that it is 90% sure of.",
    ):
        calibration.draw(run, evaluation)


def _confusion(matrix: np.ndarray, names: list[str]) -> tuple[int, int] | None:
    share = st.toggle("Share of each true class", key="share", bind="query-params")
    shown = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1) if share else matrix
    texts = np.vectorize(lambda v: "" if v == 0 else f"{v:.0%}" if share else f"{v:.0f}")(shown)
    # Most rows are on the diagonal: a logarithmic colour scale makes the mistakes visible.
    spec = charts.heatmap(
        np.log1p(shown * (100 if share else 1)),
        names,
        names,
        show=texts if len(names) <= 30 else None,
        x_name="predicted",
        y_name="true",
        selectable=True,
        bar=False,
        colours=charts.from_ground("#3b6fd8"),
    )
    spec["tooltip"]["show"] = False
    height = int(min(110 + 38 * len(names), 640))
    event = charts.draw(
        spec, key="confusion", on_select="rerun", height=height, alt="Confusion matrix"
    )
    return widgets.read_clicked_cell(event, len(names))


def _per_class(result: artifacts.Evaluation, names: list[str]) -> None:
    table = result.values.get("per_class")
    if not isinstance(table, dict):
        raise Missing("The evaluation has no table by class.")
    frame = pd.DataFrame(
        {"class": names} | {k: v for k, v in table.items() if len(v) == len(names)}
    )
    bar = st.column_config.ProgressColumn(
        format="%.1f%%", min_value=0.0, max_value=100.0, width="small"
    )
    for name in ("precision", "recall", "f1"):
        if name in frame:
            frame[name] = frame[name] * 100
    widgets.show_table(
        frame,
        "per_class",
        "Metrics by class",
        column_config={name: bar for name in ("precision", "recall", "f1") if name in frame},
    )
    widgets.csv(frame, "per_class")


def _cell(run: store.Run, cell: tuple[int, int], names: list[str]) -> None:
    true, predicted = cell
    st.markdown(f"**{names[true]}** predicted as **{names[predicted]}**")
    table = artifacts.predictions(run.id)
    _gallery(
        run, table[(table["label"] == true) & (table["prediction"] == predicted)], names, "cell"
    )


def _mistakes(run: store.Run) -> None:
    with widgets.part("The most confident mistakes"):
        values = artifacts.evaluation(run.id).values
        if values.get("task", "classes") != "classes":
            raise Missing(
                "This net predicts no classes, so it has no wrong ones. Its errors are in Evaluation."
            )
        table = artifacts.predictions(run.id)
        names = artifacts.labels(run.id)
        wrong = table[table["label"] != table["prediction"]]
        if listed := values.get("rows_listed"):
            st.info(f"Only the first {listed:,} of {values['rows']:,} rows are listed in the run.")
        st.caption(
            f"{len(wrong):,} of {len(table):,} rows of the evaluation are wrong ({len(wrong) / max(1, len(table)):.1%})."
        )
        _gallery(run, wrong.sort_values("confidence", ascending=False), names, "mistakes")
        widgets.csv(wrong.sort_values("confidence", ascending=False), "mistakes")


def _gallery(run: store.Run, table: pd.DataFrame, names: list[str] | None, key: str) -> None:
    kept_samples = artifacts.samples(run.id)
    place = {row: i for i, row in enumerate(kept_samples.row)}
    kept = table[table["row"].isin(place)].head(24)
    if kept.empty:
        st.caption(
            f"None of these {len(table)} rows is among the {len(kept_samples)} samples kept in the run."
        )
        return
    if kept_samples.features.ndim != 4:
        st.dataframe(kept, hide_index=True, key=f"rows_{key}")
        return
    columns = st.columns(8)
    for i, (_, row) in enumerate(kept.iterrows()):
        index = place[int(row["row"])]
        with columns[i % 8]:
            pixels = inside.picture(kept_samples.features[index].numpy())
            was, said = (artifacts.class_name(names, int(row[c])) for c in ("label", "prediction"))
            pictures.show(
                pictures.enlarge(pixels, 112),
                f"sample {index}",
                caption=f"{was} → {said}, {row['confidence']:.0%}",
                width="stretch",
            )
            st.page_link(
                "views/cnn.py",
                label="Open",
                query_params={"run": run.id, "sample": str(index)},
            )


def _net(run: store.Run) -> None:
    with widgets.part("Layer by layer"):
        model = inside.copy_modules(artifacts.net(run.id))
        frame = pd.DataFrame(
            {
                "layer": layer.name,
                "type": layer.type,
                "output": " × ".join(map(str, layer.output_shape)),
                "parameters": layer.num_parameters,
                "FLOPs": layer.flops,
            }
            for layer in model.layers()
        )
        a, b, c = st.columns(3)
        a.metric("Parameters", f"{int(frame['parameters'].sum()):,}")
        b.metric("FLOPs per sample", f"{int(frame['FLOPs'].sum()):,}")
        c.metric("Input", f"{model.spec.kind} {' × '.join(map(str, model.spec.shape))}")
        whole = st.column_config.NumberColumn(format="localized")
        st.dataframe(
            frame,
            hide_index=True,
            height="content",
            key="layers",
            alt="Layers of the net",
            column_config={"parameters": whole, "FLOPs": whole},
        )
        widgets.csv(frame, f"{run.name}_layers")
        charts.draw(
            charts.bars(
                list(frame["layer"]), [float(v) for v in frame["parameters"]], x_name="parameters"
            ),
            height=max(160, 24 * len(frame)),
            key="layer_parameters",
            alt="Parameters by layer",
        )


def _settings(run: store.Run) -> None:
    search = st.text_input("Search", key="settings_search", placeholder="learning_rate")
    rows = [
        {"setting": k, "value": v} for k, v in sorted(run.params.items()) if (search or "") in k
    ]
    left, right = st.columns([3, 2])
    left.dataframe(
        pd.DataFrame(rows), hide_index=True, key="params", height="content", alt="Settings"
    )
    with right, widgets.part("Data"):
        description = artifacts.data(run.id)
        counts = description.get("rows")
        if isinstance(counts, dict):
            st.dataframe(
                pd.DataFrame({"split": counts.keys(), "rows": counts.values()}),
                hide_index=True,
                key="rows_per_split",
                alt="Rows per split",
            )
        with st.expander("Everything recorded about the data"):
            st.json(description)


def _reproduce(run: store.Run) -> None:
    _command(run)
    st.subheader("A report to send", anchor=False)
    st.write("Results, curves, filters and settings as one HTML file, which needs no server:")
    widgets.download(
        "Report", lambda: reports.write_run(run), f"report_{run.id[:8]}.html", "text/html"
    )
    tags = {k: v for k, v in run.tags.items() if k.startswith("workbench.")}
    st.subheader("Made by", anchor=False)
    st.dataframe(
        pd.DataFrame({"what": tags.keys(), "value": tags.values()}),
        hide_index=True,
        key="provenance",
        height="content",
        alt="Provenance",
    )
    with widgets.part("Files"):
        run_files.draw(run)


def _command(run: store.Run) -> None:
    with widgets.part("The exact command"):
        experiment = artifacts.experiment(run.id)
        source = experiment.get("data", {}).get("source", {})
        if source.get("kind") == "dataframe":
            st.write(describe_frame(from_dict(DataFrameSource, source)))
            st.write("A program that has it as `df` trains the same again:")
            st.code(as_python.write_repeat(run.id), language="python")
        else:
            _repeat_from_file(run, experiment)
        with st.expander("The experiment as JSON"):
            st.json(experiment)


def _repeat_from_file(run: store.Run, experiment: dict[str, Any]) -> None:
    name = f"repeat_{run.id[:8]}.py"
    st.write("Save the experiment as a file and train it again, seed and all:")
    widgets.download(
        name,
        lambda: experiment_file.write_source(run.id, name, experiment),
        name,
        "text/x-python",
    )
    st.code(f"workbench train {name}:again", language="bash")
    st.page_link(
        "views/launch.py",
        label="Change something and train again",
        query_params={"run": run.id},
        icon=":material/replay:",
    )
    with st.expander("In Python", icon=":material/code:"):
        st.code(as_python.write_call("train", f"{name}:again", {}), language="python")
        st.caption("What it did, in a notebook:")
        st.code(as_python.write_read(run.id), language="python")


def _log(run: store.Run) -> None:
    """The last lines that Ray, Spark and the workbench printed; the whole log as a download."""
    with widgets.part("Log"):
        path = run_logs.find(run)
        search = st.text_input("Only lines with", key="log_search", placeholder="Error")
        lines = run_logs.tail(path, _LOG_LINES, containing=search or "")
        st.caption(f"The last {len(lines)} lines of {path}. Other runs may be in this file too.")
        st.code("\n".join(lines) or "No line contains this text.", language=None, wrap_lines=True)
        widgets.download("Log", lambda: run_logs.read(path), path.name, "text/plain")


main()

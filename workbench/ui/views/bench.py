"""Bench: this machine, and its Ray and Spark."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from workbench.home import home_folder
from workbench.ui import bench_panel, cluster_state, store, widgets
from workbench.ui.cluster_state import RayReport

_LIVE_S = 5


def main() -> None:
    widgets.title(
        "Bench",
        "The Ray and Spark that stay up between trainings, and what runs on them. Below: what this "
        "machine has, and what is missing.",
        "docs/browser#bench",
    )
    _links()
    bench_panel.draw()
    _ray()
    _doctor()


def _links() -> None:
    with st.container(border=True):
        st.markdown(f"**Tracking store** &nbsp; `{store.printable_uri()}`")
        st.markdown(f"**Jobs, runs and logs** &nbsp; `{home_folder()}`")
        bar = st.container(horizontal=True)
        for name, url in cluster_state.dashboards().items():
            bar.link_button(name, url, icon=":material/open_in_new:")
        st.caption(
            "MLflow's own UI: `workbench mlflow`. Ray's and Spark's are linked while they run."
        )


def _ray() -> None:
    st.subheader("Ray and Spark", anchor=False)

    @st.fragment(run_every=_LIVE_S)
    def body() -> None:
        rows = cluster_state.processes()
        if not rows:
            st.info(
                "No Ray is running on this machine. Without a bench that is up, a training or a sweep "
                "starts its own and stops it at the end.",
                icon=":material/bedtime:",
            )
            return
        frame = pd.DataFrame(
            {
                "what": process.what,
                "process": process.title,
                "pid": process.pid,
                "memory (GiB)": round(process.memory, 2),
                "up": widgets.duration(process.seconds),
            }
            for process in rows
        )
        widgets.show_table(frame, "processes", "Processes of Ray and Spark")

    body()
    where = cluster_state.address()
    if where and st.button(
        "Ask Ray", key="ask_ray", help=f"Joins the Ray at {where} for a moment."
    ):
        with st.spinner(f"Asking {where}"):
            report = cluster_state.report(where)
        if isinstance(report, str):
            st.warning(report)
        else:
            _draw(report)


def _draw(report: RayReport) -> None:
    columns = st.columns(4)
    columns[0].metric("Nodes", len(report.nodes))
    columns[1].metric(
        "CPUs in use", f"{report.count_used('CPU'):g} of {report.total.get('CPU', 0):g}"
    )
    columns[2].metric(
        "GPUs in use", f"{report.count_used('GPU'):g} of {report.total.get('GPU', 0):g}"
    )
    columns[3].metric(
        "Object store",
        f"{report.count_used('object_store_memory') / 2**30:.2f} of "
        f"{report.total.get('object_store_memory', 0) / 2**30:.2f} GiB",
    )
    st.dataframe(pd.DataFrame(report.nodes), hide_index=True, key="ray_nodes", alt="Ray nodes")
    if report.actors:
        st.markdown("**Actors** (Spark executors, trials, workers)")
        st.dataframe(
            pd.DataFrame(report.actors), hide_index=True, key="ray_actors", alt="Ray actors"
        )


def _doctor() -> None:
    st.subheader("Doctor", anchor=False, help="What `workbench doctor` says.")
    with st.spinner("Looking at this machine"):
        checks = cluster_state.checks()
    frame = pd.DataFrame(
        {
            "what": check.name,
            "verdict": check.verdict,
            "seen": check.seen,
            "advice": check.advice,
        }
        for check in checks
    )
    st.dataframe(
        frame, hide_index=True, height="content", key="doctor", alt="Checks of this machine"
    )
    if st.button("Look again", key="doctor_again", icon=":material/refresh:"):
        cluster_state.checks.clear()
        st.rerun()


main()

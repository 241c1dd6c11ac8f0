"""`candleray up`, `down` and `status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from candleray.settings import Settings
    from cluster.instance.instance_file import Instance

DataDir = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Data folder; by default the settings' data_dir.")
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=1, max=65535, help="Port of the API; by default the settings' api.port."),
]
Detach = Annotated[bool, typer.Option("--detach", help="Return once it is ready; it goes on in the background.")]
Simulator = Annotated[
    bool, typer.Option("--simulator", help="Simulated exchanges in place of the real ones; needs no network.")
]
Speed = Annotated[
    float | None,
    typer.Option("--speed", min=0.001, help="Of the simulated exchanges: their seconds in one of ours."),
]
FaultsText = Annotated[
    str | None, typer.Option("--faults", help="Of the simulated exchanges, as `candleray simulator` takes them.")
]
App = Annotated[str, typer.Option("--app", hidden=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def up(
    data: DataDir = None,
    port: Port = None,
    detach: Detach = False,
    simulator: Simulator = False,
    speed: Speed = None,
    faults: FaultsText = None,
    as_json: AsJson = False,
    app: App = "serve_apps.app:build",
) -> None:
    """Start everything: Postgres, Valkey, Ray, the candle store and the API.

    Runs until Ctrl-C, or in the background with --detach. An instance that runs already is left as it is. With
    --simulator the exchanges are simulated: no network is needed, no candle is real, and the data folder is one of
    its own.

    Example: candleray up --detach --data ~/candles --port 8001
    """
    from candleray.build import difference
    from candleray.terminal.console import notes, output
    from candleray.terminal.hints import interruptible
    from cluster.instance.events import naming_what_starts, to_console
    from cluster.instance.instance_file import running_instance
    from cluster.instance.start import already_running, run_detached, run_here
    from cluster.machine.data_folder import DataFolder

    settings = _with_simulator(_settings(data, port), simulator, speed, faults)
    folder = DataFolder(settings.data_path)
    running = running_instance(folder)
    console = notes() if as_json else output()

    def show(instance: Instance, what: str = "is ready") -> None:
        output().print(instance.model_dump_json()) if as_json else _show_instance(instance, what, settings)

    if running:
        running = already_running(folder, running, port, simulator=simulator)
        show(running, "is already running")
        for said in (*running.cautions.values(), difference(running.build)):
            if said:
                console.print(f"\n{said}", style="yellow", soft_wrap=True)
        return
    console.print(f"Starting Candleray in {folder}")
    with naming_what_starts(to_console(console), console if console.is_terminal else None) as report:
        if detach:
            with interruptible("what had started is stopped; `candleray up` starts again"):
                instance = run_detached(settings, app, report)
            show(instance)
        else:
            run_here(settings, app, report, show)


def down(data: DataDir = None, as_json: AsJson = False) -> None:
    """Stop the instance in order, and whatever a killed one left running.

    Example: candleray down --data ~/candles
    """
    from candleray.terminal.console import output, print_json
    from cluster.instance.stop import stop_instance
    from cluster.machine.data_folder import DataFolder

    folder = DataFolder(_settings(data, None).data_path)
    said = stop_instance(folder)
    if as_json:
        print_json({"data_dir": str(folder.path), "said": said})
    else:
        output().print(said, soft_wrap=True)


def status(data: DataDir = None, as_json: AsJson = False) -> None:
    """Show every part of the instance; the exit code is 0 when it is ready, else 1.

    Example: candleray status --json
    """
    from candleray.terminal.console import output
    from candleray.terminal.exit_codes import ExitCode
    from cluster.instance.status import duties_table, inspect, status_table
    from cluster.machine.data_folder import DataFolder

    found = inspect(DataFolder(_settings(data, None).data_path))
    if as_json:
        output().print(found.model_dump_json(indent=2), soft_wrap=True)
    else:
        output().print(status_table(found) if found.parts else f"{found.data_dir}: {found.state}", soft_wrap=True)
        if found.duties:
            output().print(duties_table(found), soft_wrap=True)
    if not found.ready:
        raise typer.Exit(ExitCode.FAILED)


def _settings(data: Path | None, port: int | None) -> Settings:
    from candleray.settings import get_settings

    settings = get_settings()
    if data:
        settings = settings.model_copy(update={"data_dir": data})
    if port:
        settings = settings.model_copy(update={"api": settings.api.model_copy(update={"port": port})})
    return settings


def _with_simulator(settings: Settings, enabled: bool, speed: float | None, faults: str | None) -> Settings:
    from candleray.errors import invalid

    asked = {"enabled": enabled or None, "speed": speed, "faults": faults}
    simulator = settings.simulator.model_copy(update={name: one for name, one in asked.items() if one is not None})
    if not simulator.enabled and (speed is not None or faults is not None):
        raise invalid(
            "simulator", "no_simulator", "--speed and --faults are of simulated exchanges: add --simulator"
        )
    return settings.model_copy(update={"simulator": simulator})


def _show_instance(instance: Instance, what: str, settings: Settings) -> None:
    from candleray.settings import get_settings
    from candleray.terminal.console import output

    here = "" if settings.data_path == get_settings().data_path else f" --data {instance.data_dir}"
    token = f"  (asks for the token in {instance.ray_token})" if instance.ray_token else ""
    lines = [
        f"\nCandleray {what}: process {instance.pid}, data in {instance.data_dir}",
        f"  API        {instance.api_url}",
        f"  Docs       {instance.api_url}/docs",
        *([f"  Dashboard  {instance.dashboard_url}{token}"] if instance.dashboard_url else []),
        "\nTry next:",
        f"  candleray login{here}",
        *([f"  candleray feeds{here}"] if settings.simulator.enabled else []),
        f"  candleray import FILE --market binance-spot --symbol BTCUSDT{here}",
        f"  candleray candles{here}",
        f"  candleray backtest request.json{here}",
        f"  candleray status{here}",
        f"  candleray down{here}",
    ]
    output().print("\n".join(lines), soft_wrap=True)

"""The settings, in one place: `configs/base` < `configs/<environment>` < environment variables.

A variable is the field's name in capitals after `CANDLERAY_`, with two underscores between levels
(`CANDLERAY_GUARDS__MAX_VARIANTS=5000`). Nothing else in the code reads the environment for configuration.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from candleray.errors import first_line, invalid
from candleray.markets import Symbol
from candleray.private_files import expanded
from candleray.setting_checks import addresses, http_address, of_known_markets
from candleray.timeframes import DAY_MS
from candleray.validation import invalid_from

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"

Environment = Literal["dev", "test", "prod"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _without_space_around(cls, value: Any) -> Any:
        """A value read from a file ends with its line: `TOKEN=$(cat file)` does not, an `env_file` may."""
        return value.strip() if isinstance(value, str) else value


class ServiceSettings(_Section):
    """Addresses of the services; without a URL the embedded one starts."""

    clickhouse_url: SecretStr | None = Field(None, description="http(s)://user:password@host:8123/database")
    postgres_url: SecretStr | None = Field(None, description="postgresql://user:password@host:5432/database")
    redis_url: SecretStr | None = Field(None, description="redis://host:6379/0, Redis or Valkey")
    ray_address: str | None = Field(None, description="host:6379 of a running Ray cluster")


class ApiSettings(_Section):
    host: str = Field("127.0.0.1", description="address the API listens on")
    port: int = Field(8000, ge=1, le=65535, description="port the API listens on")
    replicas: int = Field(2, ge=1, le=64, description="API replicas; one dying loses no request of the others")
    proxies: tuple[IPvAnyNetwork, ...] = Field(
        (), description="addresses or networks of proxies of yours: their word on a caller's address is believed"
    )
    max_connections: int = Field(
        16_384, ge=100, le=500_000, description="connections at once; fewer where the limit of open files is low"
    )
    max_connections_per_address: int = Field(
        256, ge=1, description="connections of one address at once; this machine and `proxies` have no limit"
    )
    request_timeout_s: float = Field(
        10.0, gt=0, le=600, description="for a request's headers, and for a small body as well; else 408"
    )
    body_timeout_s: float = Field(60.0, gt=0, le=3600, description="for a whole body of a known caller; else 408")
    max_body_bytes: int = Field(16_777_216, ge=1024, description="largest request body; more answers 413")
    max_public_body_bytes: int = Field(
        16_384, ge=1024, description="largest body on routes that need no login; more answers 413"
    )
    max_bodies_bytes: int = Field(
        268_435_456, ge=1024, description="bodies that a replica has in memory at once, of everybody"
    )
    max_bodies_bytes_per_user: int = Field(67_108_864, ge=1024, description="the part of it of one user")
    max_ongoing_requests: int = Field(200, ge=5, description="requests a replica works on at once")
    max_requests_per_user: int = Field(
        50, ge=1, description="requests of one user, or of one address without a login, that a replica works on"
    )
    max_waiting_per_user: int = Field(
        200, ge=0, description="requests of one user that wait at a replica for a slot"
    )
    slot_wait_s: float = Field(5.0, gt=0, description="how long one waits for a slot; then 429 or 503")
    max_searches: int = Field(16, ge=1, description="synchronous searches that a replica computes at once")
    max_searches_per_user: int | None = Field(
        None,
        ge=1,
        description="those of one user, the others wait in turns; by default half a replica's share of cores",
    )
    max_streams: int = Field(1000, ge=1, description="event streams that a replica has open at once")
    max_streams_per_user: int = Field(8, ge=1, description="those of one user; more answer 429")
    max_agent_calls: int = Field(128, ge=8, description="assistants' calls at once; of one user an eighth")
    proxy_key: SecretStr | None = Field(
        None, description="by which the instance's own proxy proves itself to the replicas; drawn at every start"
    )
    backtest_timeout_s: float = Field(
        300.0, gt=0, description="longest synchronous backtest before it answers 503"
    )


class ComputeSettings(_Section):
    num_cpus: int | None = Field(None, ge=1, description="CPUs Ray may use here; every core by default")
    object_store_bytes: int = Field(2_000_000_000, ge=100_000_000, description="Ray's shared memory on this node")
    dashboard: bool = Field(True, description="start the Ray dashboard")
    dashboard_port: int = Field(8265, ge=1, le=65535, description="first port tried for the Ray dashboard")
    task_seconds: float = Field(0.5, gt=0, le=10, description="aimed length of one range task")
    task_variants: int | None = Field(
        None, ge=1, description="variants of one range task; by default as many as take task_seconds"
    )
    max_tasks_per_phase: int = Field(
        2000, ge=1, le=10_000, description="most tasks of one phase (Ray's state API truncates above 10,000)"
    )


class JobSettings(_Section):
    """Searches that nobody waits for."""

    max_running: int = Field(2, ge=1, description="jobs that run at once")
    max_running_per_user: int = Field(1, ge=1, description="jobs of one user that run at once")
    max_queued_per_user: int = Field(100, ge=1, description="jobs of one user that wait")
    max_variants: int = Field(
        10_000_000_000, ge=1, le=10**15, description="most variants of one job, both stages counted"
    )
    max_seconds: float = Field(86_400.0, gt=0, description="longest job by its estimate; a longer one is refused")
    heartbeat_s: float = Field(0.5, gt=0, le=5, description="between two heartbeats of a job's driver")
    checkpoint_s: float = Field(2.0, gt=0, le=60, description="between two checkpoints: what a kill may cost")
    lost_after_s: float = Field(6.0, gt=1, description="a driver without a heartbeat for so long is replaced")
    max_fruitless_attempts: int = Field(
        12, ge=1, description="drivers in a row that may end without having ranked anything"
    )
    max_kept_bytes_per_user: int = Field(
        1_000_000_000, ge=1_000_000, description="what the jobs of one user keep: requests, reports, checkpoints"
    )
    keep_days: float = Field(30.0, gt=0, description="how long an ended job is kept")


class GuardSettings(_Section):
    """Limits of one synchronous request."""

    max_variants: int = Field(1_000_000, ge=1, description="most variants of one request")
    max_compute_bytes: int = Field(
        1_500_000_000,
        ge=1_000_000,
        description="most bytes of signal planes and arrays of one request",
    )
    max_axis_values: int = Field(100_000, ge=1, description="most values of one axis")
    max_preselect: int = Field(2_000_000, ge=1, description="largest shortlist of Stage A")
    max_top_k: int = Field(10_000, ge=1, description="largest top_k")
    max_candles_per_answer: int = Field(50_000, ge=1, description="most rows of one answer of candles or series")


class BacktestSettings(_Section):
    """Defaults of what a request leaves out."""

    warmup_bars: int = Field(200, ge=0, description="bars before the range that feed the indicators")
    max_gap_hours: float = Field(
        24.0,
        ge=0,
        description="longest hole in the candles of a range that a request need not allow by allow_gaps",
    )
    init_cash_quote: float = Field(10_000.0, gt=0, description="initial cash in quote currency")
    slippage_pct: float = Field(0.01, ge=0, le=50, description="slippage in percent")
    top_k: int = Field(300, ge=1, description="variants returned")
    preselect: int = Field(20_000, ge=1, description="shortlist of Stage A")


class StrategySettings(_Section):
    """Limits of saved strategies."""

    max_per_user: int = Field(10_000, ge=1, description="strategies of one user, deleted ones not counted")


class HistorySettings(_Section):
    """Requests for the exchanges' history over REST."""

    base_urls: Annotated[
        dict[str, str],
        AfterValidator(of_known_markets),
        addresses("http://host:9900", "http", "https"),
    ] = Field(
        default_factory=dict,
        description="market name -> REST address, in place of the exchange's own (the simulator's)",
    )
    timeout_s: float = Field(15.0, gt=0, description="of one request")
    max_attempts: int = Field(6, ge=1, description="attempts before a request fails for good")
    concurrency: int = Field(4, ge=1, le=64, description="requests under way at once per market")
    budget_share: float = Field(
        0.5,
        gt=0,
        le=0.95,
        description="part of an exchange's request budget that a process spends on backfills while it cannot be "
        "shared, because Valkey is away",
    )
    live_reserve: float = Field(
        0.2, ge=0, le=0.9, description="part of an exchange's request budget that backfills leave to live candles"
    )
    clock_speed: float = Field(1.0, gt=0, le=10_000, description="as `live.clock_speed`, for budgets and waits")


class LiveSettings(_Section):
    """Live candles. Every time is one of the exchange's clock, which a simulator may let run fast."""

    subscriptions: Annotated[dict[str, tuple[Symbol, ...]], AfterValidator(of_known_markets)] = Field(
        default_factory=dict,
        description="market name -> symbols that are ingested, besides those that operators add",
    )
    stream_urls: Annotated[
        dict[str, str],
        AfterValidator(of_known_markets),
        addresses("ws://host:9900", "ws", "wss"),
    ] = Field(
        default_factory=dict,
        description="market name -> websocket address like ws://host:9900, in place of the exchange's own",
    )
    budget_share: float = Field(
        0.4,
        gt=0,
        le=0.95,
        description="part of an exchange's request budget that live candles spend while it cannot be shared",
    )
    clock_speed: float = Field(1.0, gt=0, le=10_000, description="of the exchange's clock; 1 but for simulators")
    max_clock_difference_s: float = Field(
        120.0,
        gt=0,
        description="between an exchange's clock and ours; beyond, the earlier is believed, and the feed says so",
    )
    flush_s: float = Field(0.2, gt=0, description="age of the first row of a batch at which it is written")
    late_s: float = Field(8.0, gt=0, description="after a close, REST is asked for a candle that did not come")
    poll_s: float = Field(1.5, gt=0, description="the same where no socket serves")
    stale_s: float = Field(75.0, gt=0, description="a socket without a closed candle for so long is rebuilt")
    retry_s: float = Field(1.0, gt=0, description="first pause after a failure; it doubles")
    longest_retry_s: float = Field(15.0, gt=0, description="longest pause after failures")
    future_s: float = Field(
        2.0, gt=0, description="a candle that closes later still, by our count of the exchange's clock, is refused"
    )
    verdict_s: float = Field(120.0, gt=0, description="least time between the two questions of a hole verdict")
    stream_wait_s: float = Field(
        20.0, gt=0, description="longest time for which the stream of candles waits for an older minute"
    )
    recheck_s: float = Field(3600.0, gt=0, description="between two questions for a minute that is a hole")
    renew_before_s: float = Field(
        900.0, gt=0, description="before an exchange cuts a socket by its age, the next one is opened"
    )
    look_back_s: float = Field(7200.0, gt=0, description="compared with the store at every start")
    scan_every_s: float = Field(60.0, gt=0, description="between two scans of the last hours for missing minutes")
    scan_window_s: float = Field(7200.0, gt=0, description="time back of that scan")
    long_scan_every_s: float = Field(3600.0, gt=0, description="between two scans of the last days")
    long_scan_window_s: float = Field(172_800.0, gt=0, description="time back of that scan")
    full_scan_every_s: float = Field(
        86_400.0, gt=0, description="between two scans of all that is stored of each followed instrument"
    )
    connections_per_market: int = Field(
        4, ge=1, le=100, description="websockets of one market at most; an exchange allows so many streams on each"
    )
    max_requests_per_user: int = Field(
        20, ge=1, description="instruments that one user has asked for and no operator has answered"
    )
    certify_every_s: float = Field(
        86_400.0, ge=0, description="between two certificates of a running run by the instance itself; 0 for none"
    )
    max_certified_minutes: int = Field(
        3_000_000,
        ge=1,
        description="candles that one certificate of a run reads, of all instruments and sessions together",
    )
    max_runs_per_user: int = Field(1000, ge=1, description="active runs of one user")
    runs_subscribe: bool = Field(
        False,
        description="whoever starts a run has the instruments ingested that it reads; otherwise operators alone",
    )
    instruments_every_s: float = Field(
        3600.0, ge=0, description="between two readings of the exchanges' lists of instruments; 0 for none"
    )


class LiveRunSettings(_Section):
    """The runners of live runs. Times are our own clock's, but for lags."""

    shards: int = Field(1, ge=1, le=256, description="runners; each has the runs of some instruments")
    max_runs_per_shard: int = Field(
        5000, ge=1, description="runs that one runner takes; one that is started beyond them fails at once"
    )
    look_s: float = Field(1.0, gt=0, description="between two looks for runs that were started or stopped")
    standing_every_s: float = Field(
        10.0, gt=0, description="between two entries in a user's stream of how his runs stand, while somebody asks"
    )
    without_stream_s: float = Field(
        2.0, gt=0, description="between two looks for new candles in the store while Valkey is away"
    )
    late_every_s: float = Field(
        10.0, gt=0, description="between two looks for candles that came after the runs had gone on without them"
    )
    snapshot_minutes: int = Field(
        60, ge=1, description="minutes of candles after which a snapshot of an instrument's runs is made anew"
    )


FAST_CLOCK_BEHIND_MS = 30 * DAY_MS
"""The past in which a fast clock of simulated exchanges begins, so that it is long in coming to the present."""


class SimulatorSettings(_Section):
    """Simulated exchanges in place of the real ones, in a data folder of their own: `candleray up --simulator`."""

    enabled: bool = Field(False, description="start them with the instance, and ask them alone")
    speed: float = Field(1.0, gt=0, le=10_000, description="seconds of theirs that pass in one of ours")
    symbols: str = Field("", description="symbols to serve, separated by commas; all by default")
    faults: str = Field("", description="as `candleray simulator --faults` takes them, like seeded:7")


class IdentitySettings(_Section):
    """Logins, tokens and secrets: in production from the environment, else from the data folder."""

    bot_token: SecretStr | None = Field(None, description="of the Telegram bot that people log in by")
    key_encryption_keys: SecretStr | None = Field(
        None, description="version:base64 of 32 bytes, the current one first, older ones after commas"
    )
    address_header: str = Field(
        "X-Forwarded-For",
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="header whose last entry is the caller's address; believed from `api.proxies` alone",
    )
    cookie_secure: bool = Field(True, description="send the session's cookie over HTTPS alone")
    session_idle_hours: int = Field(72, ge=1, description="a session ends when unused for so long")
    session_days: int = Field(30, ge=1, le=366, description="a session ends after so long, however used")
    max_api_tokens: int = Field(50, ge=1, description="API tokens of one user")
    fresh_code_minutes: int = Field(10, ge=1, description="how long a code opens what asks for a fresh one")
    logins_per_minute: int = Field(60, ge=1, description="attempts to log in by one address")
    logins_per_user: int = Field(20, ge=1, description="logins of one user in 10 minutes")
    codes_per_user: int = Field(20, ge=1, description="codes of one user in 10 minutes")
    max_code_failures: int = Field(5, ge=1, description="wrong codes in a row before a lock-out")
    lockout_minutes: int = Field(15, ge=1, description="length of a lock-out")
    max_exchange_keys: int = Field(50, ge=1, description="exchange keys of one user")
    operators: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="Telegram ids of the operators; with none, outside production the first user is one"
    )


class TelegramSettings(_Section):
    """Messages by the Telegram bot of `identity.bot_token`, and what people write to it."""

    enabled: bool | None = Field(
        None,
        description="send messages and read what people write; by default where `identity.bot_token` is given",
    )
    api_url: Annotated[str, AfterValidator(http_address)] = Field(
        "https://api.telegram.org", description="address of the Bot API; https alone in the environment prod"
    )
    link_minutes: int = Field(10, ge=1, le=1440, description="how long a link that starts the bot is good for")
    look_s: float = Field(1.0, gt=0, le=60, description="between two looks for events that are to be told")
    poll_s: int = Field(25, ge=1, le=50, description="how long one question for what people write waits")
    max_messages_per_s: float = Field(25.0, gt=0, le=30, description="messages a second to all chats together")
    chat_pause_s: float = Field(1.0, ge=0, le=60, description="between two messages of one chat")
    digest_over: int = Field(
        5, ge=1, le=100, description="more messages than these that wait for a chat become one"
    )
    max_waiting_per_chat: int = Field(
        500, ge=2, le=100_000, description="events that wait for a chat; of more the oldest are told as a number"
    )
    max_waiting: int = Field(50_000, ge=2, description="the same of all chats; those with the most give way")
    longest_retry_s: float = Field(60.0, gt=0, description="longest pause after failures")


def read_yaml(path: Any) -> Any:
    """The content of a file of `configs`, by libyaml: in Python the two of `base` take 0.06 s of every process."""
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=yaml.CSafeLoader)


class _SettingsFiles(YamlConfigSettingsSource):
    def _read_file(self, file_path: Any) -> dict[str, Any]:
        return read_yaml(file_path) or {}


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CANDLERAY_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    environment: Environment = Field("dev", description="which folder of configs/ applies over base")
    data_dir: Path = Field(Path("~/.candleray"), description="data folder of the embedded services")
    api_url: str | None = Field(None, description="the API the SDK and the command line talk to")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="of structured logs")
    services: ServiceSettings = ServiceSettings()
    api: ApiSettings = ApiSettings()
    compute: ComputeSettings = ComputeSettings()
    guards: GuardSettings = GuardSettings()
    jobs: JobSettings = JobSettings()
    backtests: BacktestSettings = BacktestSettings()
    strategies: StrategySettings = StrategySettings()
    history: HistorySettings = HistorySettings()
    live: LiveSettings = LiveSettings()
    live_runs: LiveRunSettings = LiveRunSettings()
    simulator: SimulatorSettings = SimulatorSettings()
    identity: IdentitySettings = IdentitySettings()
    telegram: TelegramSettings = TelegramSettings()

    @model_validator(mode="after")
    def _token_goes_over_tls(self) -> Self:
        if self.environment == "prod" and not self.telegram.api_url.startswith("https://"):
            raise ValueError(
                "telegram.api_url must begin with https:// in prod: each request holds the bot's token"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        environment = os.environ.get("CANDLERAY_ENVIRONMENT", "dev")
        files = [path for name in ("base", environment) if (path := CONFIGS / name / "settings.yaml").exists()]
        return (
            init_settings,
            env_settings,
            _SettingsFiles(settings_cls, yaml_file=files, deep_merge=True),
        )

    @property
    def data_path(self) -> Path:
        return expanded(self.data_dir)

    @property
    def base_url(self) -> str:
        return (self.api_url or f"http://{self.api.host}:{self.api.port}").rstrip("/")


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process; tests clear the cache (`get_settings.cache_clear()`).

    Raises:
        InvalidInput: a variable or a file of `configs` holds what it may not. It tells no value: some are secrets.
    """
    try:
        return Settings()
    except ValidationError as exc:
        # Of a kind that `invalid_from` does not know, so that it quotes no value.
        details = [{**detail, "type": "bad_setting"} for detail in exc.errors(include_url=False)]
        raise invalid_from(details, "a setting") from None
    except SettingsError as exc:
        raise invalid(
            "", "bad_setting", f"a variable CANDLERAY_… is no JSON as its setting needs: {first_line(exc)}"
        ) from None
    except (yaml.YAMLError, UnicodeError, OSError) as exc:
        text = " ".join(str(exc).split())[:200]
        raise invalid("", "bad_setting", f"a file settings.yaml below {CONFIGS} cannot be read: {text}") from None

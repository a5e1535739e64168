"""Settings that the operator wrote for this plugin: `config = { base-url = "https://cdn.example.com" }`.

`wit/world.wit` has to import `wasi:config/store@0.2.0-rc.1`.
"""

from componentize_py_types import Err

from .errors import JobError
from .text import well_formed

try:
    from wit_world.imports import wasi_config_store as host
except ImportError:
    line = "import wasi:config/store@0.2.0-rc.1;"
    raise ImportError(f"to use jobhost_plugin.config, add `{line}` to wit/world.wit") from None


def get(key: str) -> str | None:
    """The setting of this name; None where the operator wrote none."""
    try:
        return host.get(well_formed(key))
    except Err as error:
        raise JobError.temporary("config", f"the setting `{key}` cannot be read: {error.value.value}") from None


def required(key: str) -> str:
    """The same of one that the plugin cannot do without: a permanent error `not-configured` where there is none."""
    value = get(key)
    if value is None:
        line = f'config = {{ "{key}" = "…" }}'
        raise JobError.permanent("not-configured", f"there is no setting `{key}`; add `{line}` to the plugin's grants")
    return value


def get_all() -> dict[str, str]:
    """All settings, by name."""
    try:
        return dict(host.get_all())
    except Err as error:
        raise JobError.temporary("config", f"the settings cannot be read: {error.value.value}") from None

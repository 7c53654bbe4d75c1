"""Interface for plugins. A plugin imports this package and nothing else of ecef."""

import pluggy

API_VERSION = "1"
"""Version of this interface. It changes if plugins may need changes (docs/reference/api.md)."""

hookimpl = pluggy.HookimplMarker("ecef")
"""Mark a function of a plugin as the implementation of a hook in `ecef_cli.plugin.hookspecs`."""

__all__ = ["API_VERSION", "hookimpl"]

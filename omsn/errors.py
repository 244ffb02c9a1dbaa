"""Every error that OMSN raises on purpose. Messages say what, where, got, expected and what to do."""


class OmsnError(Exception):
    """Base of all errors that OMSN raises on purpose."""


class InputError(OmsnError, ValueError):
    """A value or file handed to OMSN cannot be used."""


class MediaError(InputError):
    """A sound, picture or landmark file cannot be read."""


class ManifestError(InputError):
    """A manifest or a corpus folder has problems; all of them are listed in the message."""


class ConfigError(InputError):
    """A recipe or setting is unknown or out of range; all problems are listed in the message."""


class CacheError(OmsnError):
    """A feature cache is missing, unfinished or damaged."""


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, of another kind, or does not fit the data."""


class LeakError(InputError):
    """Training and test parts share a speaker, statement or trial that the protocol says they do not."""


class TrainingError(OmsnError):
    """Training cannot go on."""


def in_words(error: Exception) -> str:
    """An error as the reason why something was left out: with its kind where OMSN does not raise it on purpose."""
    return str(error) if isinstance(error, OmsnError) else f"{type(error).__name__}: {error}"

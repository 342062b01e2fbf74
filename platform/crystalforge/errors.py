"""Every error that a user can cause or meet, as one tree.

    CrystalforgeError                  exit 1   the work failed
    ├── UsageError                     exit 2   the command was asked for something it cannot do
    │   ├── UnknownSpaceGroupError
    │   ├── RecipeError
    │   ├── SettingsError                       a file of settings
    │   └── CompositionError                    no composition meets what was asked for
    ├── StorageError                            a file could not be written or read (disk full, permission)
    ├── DamagedFileError                        a file is not what its checksum or format says
    ├── SchemaVersionError                      a file was written by a newer crystalforge
    ├── DatasetError
    │   ├── DatasetNotFoundError
    │   └── SourceError                         the input of `dataset build` cannot be used
    ├── TrainingError
    │   └── DivergedError
    ├── ModelNotFoundError
    ├── GenerationError
    ├── ScreeningError
    ├── QueryError                              SQL that is refused, fails or runs too long
    ├── MissingDependencyError
    ├── ClusterError                            Ray or a cluster of it cannot be used as it is
    └── BusyError                      exit 75  another command holds the same run

A message says what was expected, what came, where, and how to repair it.
"""

from __future__ import annotations


class CrystalforgeError(Exception):
    """Root of the tree; the command line prints it as one message and exits with ``exit_code``."""

    exit_code = 1


class UsageError(CrystalforgeError):
    """The command was asked for something it cannot do."""

    exit_code = 2


class UnknownSpaceGroupError(UsageError):
    """A space group number that does not exist or that the data does not hold."""


class RecipeError(UsageError):
    """A recipe that cannot be read, or that has an unknown or unfit value."""


class SettingsError(UsageError):
    """A file of settings that cannot be read, or that has an unknown key or an unfit value."""


class CompositionError(UsageError):
    """Elements, formula or size asked for that no composition of a space group meets."""


class StorageError(CrystalforgeError):
    """A file could not be written or read."""


class DamagedFileError(CrystalforgeError):
    """A file is not what its checksum or format says it is."""


class SchemaVersionError(CrystalforgeError):
    """A file was written by a newer crystalforge, whose schema this one does not know."""


class DatasetError(CrystalforgeError):
    """A dataset cannot be used."""


class DatasetNotFoundError(DatasetError):
    """No dataset of that name is in the home folder."""


class SourceError(DatasetError):
    """The input of ``dataset build`` cannot be used."""


class TrainingError(CrystalforgeError):
    """A training could not start or did not finish."""


class DivergedError(TrainingError):
    """A loss became infinite or not a number."""


class ModelNotFoundError(CrystalforgeError):
    """No trained model for what was asked."""


class GenerationError(CrystalforgeError):
    """A generation could not start or did not finish."""


class ScreeningError(CrystalforgeError):
    """A screening could not start or did not finish."""


class QueryError(CrystalforgeError):
    """SQL that is refused, fails or runs too long."""


class MissingDependencyError(CrystalforgeError):
    """A package that this command needs is not installed."""


class ClusterError(CrystalforgeError):
    """Ray does not start, does not answer, asks for another token, or has a node with other versions."""


class BusyError(CrystalforgeError):
    """Another command holds the same run."""

    exit_code = 75

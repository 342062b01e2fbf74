"""Crystals of other people's servers: OPTIMADE and the Materials Project, downloaded once, page by page.

What was fetched lies in the home's ``downloads`` as the server sent it; the rest of the dataset room reads it there as
it reads a file. Nothing here knows how crystals are curated. ``fetch`` alone speaks over the network; it is imported
where a server is asked for, as its libraries take long to load.
"""

from crystalforge.dataset.servers.download import Download
from crystalforge.dataset.servers.download_record import DownloadRecord
from crystalforge.dataset.servers.entries import records_of
from crystalforge.dataset.servers.patience import Patience
from crystalforge.dataset.servers.readers import reader_of
from crystalforge.dataset.servers.request import FetchOptions, is_server, unfinished_downloads

__all__ = [
    "Download",
    "DownloadRecord",
    "FetchOptions",
    "Patience",
    "is_server",
    "reader_of",
    "records_of",
    "unfinished_downloads",
]

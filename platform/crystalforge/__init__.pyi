from crystalforge.crystals.structures import to_structure as to_structure
from crystalforge.steps.datasets import build_dataset as build_dataset
from crystalforge.steps.exports import export_crystals as export_crystals
from crystalforge.steps.generations import generate as generate
from crystalforge.steps.queries import sql as sql
from crystalforge.steps.screenings import screen as screen
from crystalforge.steps.trainings import train_all as train_all

__version__: str

"""Whose crystals they are: the one place for licences and citations that we know without being told."""

from __future__ import annotations

CC_BY_4 = "CC-BY-4.0"
MATERIALS_PROJECT_CITATION = "Materials Project (A. Jain et al., APL Materials 1, 011002 (2013)), CC-BY 4.0"
NOT_STATED = "not stated: see the source"

"""Where real firmware departs from its document: one defect a file, with evidence and firmware range."""

"""report.html: what to use, how sure that is, what it cost, and how to repeat it. One file, no outside resource.

python -m analysis.report OUT        # write it again

`page` puts it together: `answer` is its first screen, `cautions` what to mind, `pictures` its figures as SVG that
follows the reader's light or dark; `templates/` has a part for each section, the style, and the script that sorts.
"""

from analysis.report.page import write_report

__all__ = ["write_report"]

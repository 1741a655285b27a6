"""``python -m tests.fleet.offline``: a fleet end to end, without an account.

lab PATTERN [FAULT]   the lab's clients, each probed by its function inside its namespace; compared with a local run
image PATTERN         the same with each function run from its image instead of its zip
ssm PATTERN [FAULT]   the lab's clients by Run Command, each on its instance, which is its namespace; compared likewise
regions               a run over the hubs of two Regions, with a stub probe; one client is dead
scale [CLIENTS]       that many clients with a stub probe; one in ten is dead and one in a hundred hangs
"""

from __future__ import annotations

import sys

from tests.fleet.offline import of_lab, of_regions, of_scale, of_schedule, of_ssm

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["lab", str(pattern)]:
            sys.exit(of_lab.main(pattern, ""))
        case ["lab", str(pattern), str(fault)]:
            sys.exit(of_lab.main(pattern, fault))
        case ["ssm", str(pattern)]:
            sys.exit(of_ssm.main(pattern, ""))
        case ["ssm", str(pattern), str(fault)]:
            sys.exit(of_ssm.main(pattern, fault))
        case ["image", str(pattern)]:
            sys.exit(of_lab.main(pattern, "", image=True))
        case ["regions"]:
            sys.exit(of_regions.main())
        case ["schedule"]:
            sys.exit(of_schedule.main())
        case ["scale"]:
            sys.exit(of_scale.main(1000))
        case ["scale", str(clients)]:
            sys.exit(of_scale.main(int(clients)))
        case _:
            sys.exit(__doc__)

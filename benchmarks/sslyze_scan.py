"""Scans names with sslyze, certificate_info alone; run by ``sweep.py`` with the Python that has sslyze.

Reads ``{"names": [], "port": N, "ca_file": "", "at_once": N}`` from standard input and prints
``{"ok": N, "wrong": [words]}``: a name is ok where the chain leads to the CA file and the certificate is for it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sslyze import (
    CertificateInfoExtraArgument,
    ScanCommand,
    ScanCommandAttemptStatusEnum,
    ScanCommandsExtraArguments,
    Scanner,
    ServerNetworkLocation,
    ServerScanRequest,
)


def main() -> None:
    wanted = json.load(sys.stdin)
    extra = ScanCommandsExtraArguments(
        certificate_info=CertificateInfoExtraArgument(custom_ca_file=Path(wanted["ca_file"]))
    )
    scanner = Scanner(concurrent_server_scans_limit=wanted["at_once"])
    scanner.queue_scans(
        [
            ServerScanRequest(
                server_location=ServerNetworkLocation(hostname=name, port=wanted["port"]),
                scan_commands={ScanCommand.CERTIFICATE_INFO},
                scan_commands_extra_arguments=extra,
            )
            for name in wanted["names"]
        ]
    )
    ok, wrong = 0, []
    for result in scanner.get_results():
        name = result.server_location.hostname
        if result.scan_result is None:
            wrong.append(f"{name}: {result.connectivity_error_trace}")
            continue
        attempt = result.scan_result.certificate_info
        if attempt.status is not ScanCommandAttemptStatusEnum.COMPLETED or attempt.result is None:
            wrong.append(f"{name}: {attempt.error_reason}")
            continue
        for deployment in attempt.result.certificate_deployments:
            ours = [each for each in deployment.path_validation_results if each.trust_store.path == Path(wanted["ca_file"])]
            if all(each.was_validation_successful for each in ours) and ours:
                ok += 1
            else:
                wrong.append(f"{name}: {[each.validation_error for each in ours]}")
    print(json.dumps({"ok": ok, "wrong": wrong[:3]}))


if __name__ == "__main__":
    main()

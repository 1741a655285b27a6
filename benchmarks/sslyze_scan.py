"""Scans names with sslyze, certificate_info alone; run by ``sweep.py`` with the Python that has sslyze.

It reads and answers the same lines as ``sweep_worker.py``. A name is ok where its chain leads to the CA file and its
certificate is for it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from sslyze import (
    CertificateInfoExtraArgument,
    ScanCommand,
    ScanCommandAttemptStatusEnum,
    ScanCommandsExtraArguments,
    Scanner,
    ServerNetworkLocation,
    ServerScanRequest,
    ServerScanResult,
)


def scan(wanted: dict[str, Any]) -> tuple[int, list[str]]:
    ca_file = Path(wanted["ca_file"])
    extra = ScanCommandsExtraArguments(certificate_info=CertificateInfoExtraArgument(custom_ca_file=ca_file))
    scanner = Scanner(concurrent_server_scans_limit=wanted["at_once"])
    scanner.queue_scans(
        [
            ServerScanRequest(
                server_location=ServerNetworkLocation(hostname=name, port=wanted["port"], ip_address=address),
                scan_commands={ScanCommand.CERTIFICATE_INFO},
                scan_commands_extra_arguments=extra,
            )
            for name, address in zip(wanted["names"], wanted["addresses"], strict=True)
        ]
    )
    judged = [(result.server_location.hostname, problem(result, ca_file)) for result in scanner.get_results()]
    wrong = [f"{name}: {words}" for name, words in judged if words]
    return len(judged) - len(wrong), wrong


def problem(result: ServerScanResult, ca_file: Path) -> str:
    """Empty where the certificate is right."""
    if result.scan_result is None:
        return str(result.connectivity_error_trace)
    attempt = result.scan_result.certificate_info
    if attempt.status is not ScanCommandAttemptStatusEnum.COMPLETED or attempt.result is None:
        return str(attempt.error_reason)
    for deployment in attempt.result.certificate_deployments:
        ours = [each for each in deployment.path_validation_results if each.trust_store.path == ca_file]
        if not ours or not all(each.was_validation_successful for each in ours):
            return str([each.validation_error for each in ours])
    return ""


def main() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)
        began, used_s = time.monotonic(), time.process_time()
        ok, wrong = scan(wanted)
        whole_s, cpu_s = time.monotonic() - began, time.process_time() - used_s
        print(json.dumps({"ok": ok, "wrong": wrong[:3], "whole_s": whole_s, "cpu_s": cpu_s}), flush=True)


if __name__ == "__main__":
    main()

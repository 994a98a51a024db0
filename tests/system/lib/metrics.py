"""What a monitoring system reads of a daemon: /metrics, by a parser that is not ours, and /healthz."""
import http.client
import json
import re

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from lib.world import check, check_equal, wait_until

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def command_script(world, name="alarm-command"):
    """A program for alarm_command that keeps what it is given: (its path, where that is)."""
    heard = world.path(name + ".heard")
    path = world.write(name, f'#!/bin/sh\n{{ echo "$@"; cat; }} >> {heard}\n')
    world.run("chmod", "0755", path)
    return path, heard


def alarms_heard(heard):
    """[(kind, state, JSON)] in order, of whole ones."""
    try:
        with open(heard, encoding="utf-8") as f:
            lines = f.read().splitlines()
    except FileNotFoundError:
        return []
    out = []
    for arguments, said in zip(lines[::2], lines[1::2]):
        kind, state = arguments.split()[-2:]
        out.append((kind, state, json.loads(said)))
    return out


class Scraper:
    def __init__(self, daemon):
        self.daemon = daemon
        line = daemon.wait_said("metrics at http://127.0.0.1:")
        self.port = int(re.search(r":(\d+)/metrics", line).group(1))

    def get(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read().decode("utf-8")
        finally:
            connection.close()

    def families(self):
        status, content_type, text = self.get("/metrics")
        check_equal((status, content_type), (200, CONTENT_TYPE), "/metrics")
        check(text.endswith("\n# EOF\n"), "it ends as it should")
        return {family.name: family for family in text_string_to_metric_families(text)}

    def values(self):
        """{"name{label=value,...}": number}, labels sorted."""
        out = {}
        for family in self.families().values():
            for sample in family.samples:
                labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
                out[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
        return out

    def wait(self, condition, what, patience=120):
        def holds():
            values = self.values()
            return values if condition(values) else None
        return wait_until(holds, what, patience, alive=[self.daemon])

    def health(self):
        status, content_type, text = self.get("/healthz")
        check_equal(content_type, "application/json", "content type of /healthz")
        said = json.loads(text)
        check_equal(status == 503, said["status"] == "unhealthy", "status code and words")
        return status, said["status"], said["reasons"]

    def wait_health(self, status, *words, patience=120):
        def holds():
            health = self.health()
            return health if health[1] == status and all(w in " ".join(health[2]) for w in words) else None
        return wait_until(holds, f"/healthz says {status} {words}", patience, alive=[self.daemon])

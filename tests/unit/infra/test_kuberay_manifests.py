"""The manifests of infra/kuberay: valid for KubeRay and Kubernetes, and safe as they stand."""

from __future__ import annotations

import copy
import os
import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import typer.main
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr

from crystalforge.cli.app import app

REPOSITORY = Path(__file__).parents[3]
MANIFESTS = sorted((REPOSITORY / "infra" / "kuberay").glob("*.yaml"))
OWN_FIELDS = REPOSITORY / "tests" / "data" / "kuberay"
CRDS_VARIABLE = "CRYSTALFORGE_KUBERAY_CRDS"
CRDS = {"RayCluster": "rayclusters.yaml", "RayJob": "rayjobs.yaml"}
KUBERNETES = ("1.32", "1.37")
"""The oldest and the newest that the manifests are validated for."""
SPOT = {"crystalforge-capacity": "spot"}
OPEN = "x-kubernetes-preserve-unknown-fields"


def documents() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield path, document


DOCUMENTS = [pytest.param(document, id=f"{path.stem}-{document['kind']}") for path, document in documents()]
RAY = [param for param in DOCUMENTS if param.values[0]["kind"] in CRDS]
CORE = [param for param in DOCUMENTS if param not in RAY]


def cluster_spec(document: dict[str, Any]) -> dict[str, Any]:
    """The cluster of a RayCluster or RayJob."""
    spec: dict[str, Any] = document["spec"]
    return spec if document["kind"] == "RayCluster" else spec["rayClusterSpec"]


@dataclass(frozen=True)
class Pod:
    """A template of pods."""

    role: str
    template: dict[str, Any]

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.template["spec"]
        return spec

    @property
    def container(self) -> dict[str, Any]:
        """Its only one."""
        (container,) = self.spec["containers"]
        return container

    @property
    def is_spot(self) -> bool:
        """Whether it may or must run on a node that is taken away."""
        tolerated = [each for each in self.spec.get("tolerations", []) if each.get("key") in (None, *SPOT)]
        return bool(tolerated) or self.spec.get("nodeSelector", {}).items() >= SPOT.items()


def pods(document: dict[str, Any]) -> list[Pod]:
    """Head, workers and who sends the command."""
    cluster = cluster_spec(document)
    found = [Pod("head", cluster["headGroupSpec"]["template"])]
    found += [Pod(group["groupName"], group["template"]) for group in cluster["workerGroupSpecs"]]
    if "submitterPodTemplate" in document["spec"]:
        found.append(Pod("submitter", document["spec"]["submitterPodTemplate"]))
    return found


# --- Schemas -------------------------------------------------------------------------------------------------------


def closed(schema: Any) -> Any:
    """A structural schema that refuses what the API server would drop: fields that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        made["properties"] = {name: closed(each) for name, each in schema["properties"].items()}
        if not schema.get(OPEN):
            made.setdefault("additionalProperties", False)
    return made


def schema_of(kind: str, folder: Path) -> dict[str, Any]:
    """The schema of ``ray.io/v1``, from a file named as here or as KubeRay names it."""
    name = CRDS[kind]
    path = next(path for path in (folder / f"ray.io_{name}", folder / name) if path.is_file())
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert definition["spec"]["names"]["kind"] == kind
    (schema,) = [each["schema"]["openAPIV3Schema"] for each in definition["spec"]["versions"] if each["name"] == "v1"]
    return closed(schema)


def refused(document: dict[str, Any]) -> list[str]:
    """What KubeRay's own fields have against a document, and then Kubernetes against its templates."""
    folder = Path(os.environ.get(CRDS_VARIABLE) or OWN_FIELDS)
    validator = jsonschema.Draft202012Validator
    errors = [*validator(schema_of(document["kind"], folder)).iter_errors(document)]
    if document["kind"] == "RayJob":
        spec_schema = schema_of("RayCluster", folder)["properties"]["spec"]
        errors += validator(spec_schema).iter_errors(document["spec"]["rayClusterSpec"])
    found = [f"{error.json_path}: {error.message}" for error in errors]
    for pod in pods(document):
        whole = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": pod.role}, "template": pod.template}
        found += refused_by_kubernetes(whole)
    options = cluster_spec(document)["autoscalerOptions"]
    container = {"name": "autoscaler", "resources": options["resources"], "securityContext": options["securityContext"]}
    spec = {"containers": [container]}
    found += refused_by_kubernetes({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec})
    return found


def refused_by_kubernetes(document: dict[str, Any]) -> list[str]:
    """What the strict schemas of Kubernetes have against a document."""
    found = []
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"Kubernetes {version}: {error.json_path}: {error.message}")
    return found


@pytest.mark.parametrize("document", RAY)
def test_the_manifest_is_valid_for_kuberay_and_its_pods_for_kubernetes(document: dict[str, Any]) -> None:
    assert document["apiVersion"] == "ray.io/v1"
    assert refused(document) == []


@pytest.mark.parametrize("document", CORE)
def test_the_other_objects_are_valid_for_kubernetes(document: dict[str, Any]) -> None:
    assert refused_by_kubernetes(document) == []


def change(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value changed, by the way to it."""
    changed = copy.deepcopy(document)
    *above, last = path.split(".")
    place: Any = changed
    for key in above:
        place = place[int(key) if key.isdigit() else key]
    place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.authOptions.mode", "tokens"),
        ("spec.autoscalerOptions.version", "v3"),
        ("spec.enableInTreeAutoscalling", True),
        ("spec.headGroupSpec.rayStartParams.num-cpus", 0),
        ("spec.workerGroupSpecs.0.maxReplicas", "4"),
        ("spec.workerGroupSpecs.0.template.spec.nodeSelectors", {}),
        ("spec.workerGroupSpecs.0.template.spec.containers.0.resource", {}),
        ("spec.headGroupSpec.template.spec.securityContext.runAsUser", "crystalforge"),
    ],
)
def test_a_wrong_manifest_is_found(path: str, value: Any) -> None:
    (whole,) = [param.values[0] for param in RAY if param.values[0]["kind"] == "RayCluster"]
    assert refused(change(whole, path, value)), "the validation sees this"


# --- What the manifests promise ------------------------------------------------------------------------------------


def constraint(package: str) -> str:
    """The version of constraints.txt."""
    text = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    (version,) = re.findall(rf"^{re.escape(package)}==(.+)$", text, re.MULTILINE)
    return version


@pytest.mark.parametrize("document", RAY)
def test_versions_are_those_of_the_package(document: dict[str, Any]) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cluster_spec(document)["rayVersion"] == constraint("ray")
    images = {pod.container["image"] for pod in pods(document)}
    assert len(images) == 1, "nodes with other versions are refused"
    assert re.fullmatch(rf".+/crystalforge:{re.escape(project['version'])}-(cpu|cuda)(-dft)?", images.pop())


@pytest.mark.parametrize("document", RAY)
def test_ray_asks_for_a_token_and_none_is_written_down(document: dict[str, Any]) -> None:
    assert cluster_spec(document)["authOptions"] == {"mode": "token"}
    for pod in pods(document):
        assert "env" not in pod.container, "values come from the ConfigMap and from Secrets made by hand"


def test_no_manifest_holds_a_secret() -> None:
    for _, document in documents():
        assert document["kind"] != "Secret"
        assert not re.search(r"(?i)(password|secret_access_key|token)\s*:\s*[^{\s]{8,}", yaml.safe_dump(document))


@pytest.mark.parametrize("document", RAY)
def test_nothing_heavy_lands_on_the_head_and_it_is_never_on_a_spot_node(document: dict[str, Any]) -> None:
    """As Ray's own autoscaler reads it."""
    ray_cr = {"metadata": {"name": "c", "namespace": "n"}, "spec": cluster_spec(document)}
    config = _derive_autoscaling_config_from_ray_cr(ray_cr)
    types = config["available_node_types"]
    head = types.pop(config["head_node_type"])
    assert (head["resources"]["CPU"], head["resources"].get("GPU", 0)) == (0, 0)
    for name, group in types.items():
        assert group["resources"]["CPU"] >= 8, name
        assert group["max_workers"] >= max(1, group["min_workers"])
    by_role = {pod.role: pod for pod in pods(document)}
    assert {role for role, pod in by_role.items() if pod.is_spot} <= {"cpu-spot"}
    assert by_role["head"].spec["nodeSelector"] == {"crystalforge-capacity": "on-demand"}


def test_the_cluster_that_stays_has_a_place_for_drivers_that_is_not_a_spot_node() -> None:
    (cluster,) = [param.values[0] for param in RAY if param.values[0]["kind"] == "RayCluster"]
    ray_cr = {"metadata": {"name": "c", "namespace": "n"}, "spec": cluster["spec"]}
    types = _derive_autoscaling_config_from_ray_cr(ray_cr)["available_node_types"]
    assert [name for name, group in types.items() if "driver" in group["resources"]] == ["cpu"]


def test_the_clusters_grow_by_gpus_and_cpus_and_draw_on_spot_nodes() -> None:
    groups = {
        param.id: {group["groupName"]: group for group in cluster_spec(param.values[0])["workerGroupSpecs"]}
        for param in RAY
    }
    assert set(groups["raycluster-RayCluster"]) == {"gpu", "cpu", "cpu-spot"}
    assert set(groups["rayjob-train-all-RayJob"]) == {"gpu"}
    assert set(groups["rayjob-generate-RayJob"]) == {"cpu", "cpu-spot"}
    assert groups["rayjob-generate-RayJob"]["cpu"]["minReplicas"] == 1, "without spot nodes it goes on, if slowly"
    for of_manifest in groups.values():
        for name, group in of_manifest.items():
            gpus = group["template"]["spec"]["containers"][0]["resources"]["limits"].get("nvidia.com/gpu")
            assert gpus == ("1" if name == "gpu" else None)


@pytest.mark.parametrize("document", RAY)
def test_pods_are_not_root_and_get_what_they_ask_for(document: dict[str, Any]) -> None:
    for pod in pods(document):
        rights = pod.spec["securityContext"]
        assert rights["runAsNonRoot"] is True
        assert rights["runAsUser"] == rights["runAsGroup"] == rights["fsGroup"] == 1000
        assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        resources = pod.container["resources"]
        assert resources["requests"] == resources["limits"]
        assert {"cpu", "memory"} <= set(resources["limits"])
        assert pod.role == "head" or pod.spec["automountServiceAccountToken"] is False
    options = cluster_spec(document)["autoscalerOptions"]["resources"]
    assert options["requests"] == options["limits"]


@pytest.mark.parametrize("path", [path for path in MANIFESTS if path.name != "base.yaml"], ids=lambda path: path.stem)
def test_only_the_cluster_itself_and_the_operator_come_near_it(path: Path) -> None:
    policy, document = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    own = {"matchLabels": {"app.kubernetes.io/instance": document["metadata"]["name"]}}
    assert policy["spec"]["podSelector"] == own
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    for pod in pods(document):
        assert pod.template["metadata"]["labels"].items() >= own["matchLabels"].items(), pod.role
    open_to_others = {
        port["port"]: rule["from"] for rule in policy["spec"]["ingress"] for port in rule.get("ports", [])
    }
    everything = [rule["from"] for rule in policy["spec"]["ingress"] if "ports" not in rule]
    assert everything == [[{"podSelector": own}]]
    head = cluster_spec(document)["headGroupSpec"]
    assert (head["serviceType"], head["enableIngress"]) == ("ClusterIP", False)
    if document["kind"] == "RayCluster":
        assert head["rayStartParams"]["dashboard-host"] == "127.0.0.1"
        assert set(open_to_others) == {8080}
    else:
        assert set(open_to_others) == {8080, 8265}
        assert open_to_others[8265][0]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "kuberay-operator"}


@pytest.mark.parametrize("document", [param for param in RAY if param.values[0]["kind"] == "RayJob"])
def test_the_entrypoint_is_a_command_and_is_tried_again(document: dict[str, Any]) -> None:
    program, *words = shlex.split(document["spec"]["entrypoint"])
    assert program == "platform"
    command: Any = typer.main.get_command(app)
    context = command.make_context("platform", words)
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    assert document["spec"]["backoffLimit"] >= 1
    assert document["spec"]["shutdownAfterJobFinishes"] is True


def test_volumes_are_claimed_in_the_base_and_the_ledgers_is_a_disk() -> None:
    base = {document["metadata"]["name"]: document for path, document in documents() if path.name == "base.yaml"}
    claimed: dict[str, Mapping[str, Any]] = {}
    for param in RAY:
        for pod in pods(param.values[0]):
            for volume in pod.spec.get("volumes", []):
                claimed[param.id] = base[volume["persistentVolumeClaim"]["claimName"]]["spec"]
    assert claimed.pop("rayjob-validate-RayJob")["accessModes"] == ["ReadWriteOnce"]
    assert {tuple(claim["accessModes"]) for claim in claimed.values()} == {("ReadWriteMany",)}
    (validate,) = [param.values[0] for param in RAY if param.id == "rayjob-validate-RayJob"]
    (group,) = cluster_spec(validate)["workerGroupSpecs"]
    (beside,) = group["template"]["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert beside["topologyKey"] == "kubernetes.io/hostname"
    assert beside["labelSelector"]["matchLabels"]["ray.io/node-type"] == "head"

"""Where facts come from that several subjects of the pack `naming` rest on."""

from policies.shared.sources import OWN

K8S_NAMES = "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"
K8S_NAMESPACES = "https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/"
K8S_LABELS = "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/"
CONVENTION = f"{OWN}: paif_catalog/naming.yaml"

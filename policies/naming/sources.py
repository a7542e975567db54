"""Where facts come from that several subjects of the pack `naming` rest on."""

K8S_NAMES = "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"
K8S_LABELS = "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/"
CONVENTION = "paif_catalog/naming.yaml"

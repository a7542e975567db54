package main

import (
	"encoding/json"
	"net/http"
	"slices"
)

// Statuses of a namespace, by the vSphere Automation API.
const (
	configuring = "CONFIGURING"
	removing    = "REMOVING"
)

var statuses = []string{configuring, "RUNNING", removing, "ERROR"}

// wcpNamespace is a Supervisor namespace, in the API's own field names.
type wcpNamespace struct {
	Name             string             `json:"namespace"`
	Supervisor       string             `json:"supervisor"`
	Description      string             `json:"description"`
	ConfigStatus     string             `json:"config_status"`
	AccessList       []accessEntry      `json:"access_list"`
	StorageSpecs     []storageSpec      `json:"storage_specs"`
	VMServiceSpec    vmServiceSpec      `json:"vm_service_spec"`
	ContentLibraries []namespaceLibrary `json:"content_libraries"`
	ResourceSpec     json.RawMessage    `json:"resource_spec,omitempty"`
	NetworkSpec      json.RawMessage    `json:"network_spec,omitempty"`
	Messages         []json.RawMessage  `json:"messages"`
	Revision         int64              `json:"revision"` // of its last change
}

func (v *vcenter) listNamespaces(*http.Request) (any, *apiError) {
	summaries := []any{}
	for _, ns := range v.wcp.namespaces() {
		summaries = append(summaries, map[string]any{
			"supervisor": ns.Supervisor, "cluster": v.cluster.Value, "namespace": ns.Name, "description": ns.Description,
			"config_status": ns.ConfigStatus, "stats": stats(), "self_service_namespace": false,
		})
	}
	return summaries, nil
}

func stats() map[string]int {
	return map[string]int{"cpu_used": 0, "memory_used": 0, "storage_used": 0}
}

func (v *vcenter) getNamespace(r *http.Request) (any, *apiError) {
	ns := v.wcp.namespace(r.PathValue("ns"))
	if ns == nil {
		return nil, notFound("There is no namespace %q.", r.PathValue("ns"))
	}
	return struct {
		*wcpNamespace
		Cluster     string         `json:"cluster"`
		Stats       map[string]int `json:"stats"`
		SelfService bool           `json:"self_service_namespace"`
	}{ns, v.cluster.Value, stats(), false}, nil
}

func (v *vcenter) createNamespace(r *http.Request) (any, *apiError) {
	return withBody(r, v.wcp.createNamespace)
}

func (v *vcenter) updateNamespace(r *http.Request) (any, *apiError) {
	return withBody(r, func(spec *namespaceSpec) *apiError { return v.wcp.updateNamespace(r.PathValue("ns"), spec) })
}

func (v *vcenter) deleteNamespace(r *http.Request) (any, *apiError) {
	return nil, v.wcp.deleteNamespace(r.PathValue("ns"))
}

func (w *wcp) createNamespace(spec *namespaceSpec) *apiError {
	if !dnsLabel.MatchString(spec.Namespace) {
		return invalidArgument("Namespace name %q is not a DNS label: lower-case letters, digits and hyphens, at most 63 characters.", spec.Namespace)
	}
	if spec.Supervisor != w.v.site.Supervisor.ID {
		return notFound("There is no Supervisor with the identifier %q.", spec.Supervisor)
	}
	if problem := w.checkNamespace(spec); problem != nil {
		return problem
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if found := w.state.Namespaces[spec.Namespace]; found != nil {
		return badRequest("ALREADY_EXISTS", "A namespace with the name %q exists already (%s).", spec.Namespace, found.ConfigStatus)
	}
	if problem := w.checkClasses(spec.VMServiceSpec); problem != nil {
		return problem
	}
	ns := &wcpNamespace{Name: spec.Namespace, Supervisor: spec.Supervisor, ConfigStatus: configuring}
	if problem := ns.apply(spec); problem != nil {
		return problem
	}
	w.state.Namespaces[spec.Namespace] = ns
	ns.Revision = w.nextRevision()
	return nil
}

// withNamespace runs work on a namespace that is there, with w.mu held.
func (w *wcp) withNamespace(name string, work func(*wcpNamespace) *apiError) *apiError {
	w.mu.Lock()
	defer w.mu.Unlock()
	ns := w.state.Namespaces[name]
	if ns == nil {
		return notFound("There is no namespace %q.", name)
	}
	return work(ns)
}

// changeNamespace runs change on a namespace that is neither being configured nor removed; a change is configured anew.
func (w *wcp) changeNamespace(name string, change func(*wcpNamespace) *apiError) *apiError {
	return w.withNamespace(name, func(ns *wcpNamespace) *apiError {
		switch ns.ConfigStatus {
		case removing:
			return badRequest("NOT_ALLOWED_IN_CURRENT_STATE", "The namespace %q is being removed.", name)
		case configuring:
			return badRequest("NOT_ALLOWED_IN_CURRENT_STATE", "The namespace %q is being configured.", name)
		}
		before, err := json.Marshal(ns)
		if err != nil {
			return internalError(err)
		}
		if problem := change(ns); problem != nil {
			return problem
		}
		if after, err := json.Marshal(ns); err == nil && string(after) != string(before) {
			ns.ConfigStatus = configuring
			ns.Revision = w.nextRevision()
		}
		return nil
	})
}

func (w *wcp) updateNamespace(name string, spec *namespaceSpec) *apiError {
	if problem := w.checkNamespace(spec); problem != nil {
		return problem
	}
	return w.changeNamespace(name, func(ns *wcpNamespace) *apiError {
		if problem := w.checkClasses(spec.VMServiceSpec); problem != nil {
			return problem
		}
		return ns.apply(spec)
	})
}

func (w *wcp) deleteNamespace(name string) *apiError {
	return w.withNamespace(name, func(ns *wcpNamespace) *apiError {
		if ns.ConfigStatus == configuring {
			return badRequest("NOT_ALLOWED_IN_CURRENT_STATE", "The namespace %q is being configured.", name)
		}
		if ns.ConfigStatus != removing {
			ns.ConfigStatus = removing
			ns.Revision = w.nextRevision()
		}
		return nil
	})
}

// namespace is a copy that can be read without a lock.
func (w *wcp) namespace(name string) *wcpNamespace {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Namespaces[name].copy()
}

func (ns *wcpNamespace) copy() *wcpNamespace {
	if ns == nil {
		return nil
	}
	copied := *ns
	copied.AccessList = append([]accessEntry{}, ns.AccessList...)
	copied.StorageSpecs = append([]storageSpec{}, ns.StorageSpecs...)
	copied.ContentLibraries = append([]namespaceLibrary{}, ns.ContentLibraries...)
	copied.VMServiceSpec.VMClasses = append([]string{}, ns.VMServiceSpec.VMClasses...)
	copied.VMServiceSpec.ContentLibraries = append([]string{}, ns.VMServiceSpec.ContentLibraries...)
	copied.Messages = append([]json.RawMessage{}, ns.Messages...)
	return &copied
}

func (w *wcp) namespaces() []*wcpNamespace {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := []*wcpNamespace{}
	for _, name := range sortedKeys(w.state.Namespaces) {
		found = append(found, w.state.Namespaces[name].copy())
	}
	return found
}

func (w *wcp) namespaceUsingPolicy(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, ns := range w.state.Namespaces {
		if slices.ContainsFunc(ns.StorageSpecs, func(s storageSpec) bool { return s.Policy == id }) {
			return name
		}
	}
	return ""
}

// reportStatus takes an operator's word about a namespace. A report on an older revision than the namespace has is out of date.
func (w *wcp) reportStatus(name, status string, revision int64) *apiError {
	if !slices.Contains(statuses, status) {
		return invalidArgument("config_status is %q; expected one of %s.", status, list(statuses))
	}
	return w.withNamespace(name, func(ns *wcpNamespace) *apiError {
		if ns.ConfigStatus == removing || revision != 0 && revision < ns.Revision || ns.ConfigStatus == status {
			return nil
		}
		ns.ConfigStatus = status
		w.nextRevision()
		return nil
	})
}

// confirmDeleted forgets a namespace that the Supervisor has removed.
func (w *wcp) confirmDeleted(name string) *apiError {
	w.mu.Lock()
	defer w.mu.Unlock()
	ns := w.state.Namespaces[name]
	if ns == nil {
		return nil
	}
	if ns.ConfigStatus != removing {
		return badRequest("NOT_ALLOWED_IN_CURRENT_STATE", "The namespace %q is %s; nobody asked for its removal.", name, ns.ConfigStatus)
	}
	delete(w.state.Namespaces, name)
	w.nextRevision()
	return nil
}

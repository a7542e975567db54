package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"sync"
)

// wcp holds what vCenter wants of the Supervisor: namespaces and VM classes. The lab's operators carry it out and report.
type wcp struct {
	v     *vcenter
	store *store

	mu      sync.Mutex
	state   wcpState
	dirty   bool
	changed chan struct{}
}

type wcpState struct {
	Revision   int64                    `json:"revision"`
	Namespaces map[string]*wcpNamespace `json:"namespaces"`
	Classes    map[string]*vmClass      `json:"classes"`
}

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func openWCP(v *vcenter, store *store) (*wcp, error) {
	w := &wcp{v: v, store: store, changed: make(chan struct{})}
	w.state.Namespaces, w.state.Classes = map[string]*wcpNamespace{}, map[string]*vmClass{}
	data, err := store.read("wcp.json")
	if err != nil || data == nil {
		return w, err
	}
	if err := json.Unmarshal(data, &w.state); err != nil {
		return nil, fmt.Errorf("wcp.json: %w", err)
	}
	return w, nil
}

func (w *wcp) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.dirty {
		return nil
	}
	data, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	if err := w.store.write("wcp.json", data); err != nil {
		return err
	}
	w.dirty = false
	return nil
}

// nextRevision gives the state a new revision and wakes the long polls. w.mu is held.
func (w *wcp) nextRevision() int64 {
	w.state.Revision++
	w.dirty = true
	close(w.changed)
	w.changed = make(chan struct{})
	return w.state.Revision
}

// notifyChanged tells that something changed that other parts hold: libraries or storage policies.
func (w *wcp) notifyChanged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nextRevision()
}

func (v *vcenter) supervisorInfo() map[string]any {
	return map[string]any{
		"name": v.site.Supervisor.Name, "config_status": "RUNNING", "kubernetes_status": "READY",
		"stats": map[string]int64{
			"cpu_used": 0, "cpu_capacity": 0, "memory_used": 0, "memory_capacity": 0, "storage_used": 0, "storage_capacity": 0,
		},
	}
}

func (v *vcenter) supervisorSummaries(*http.Request) (any, *apiError) {
	return map[string]any{"items": []any{map[string]any{"supervisor": v.site.Supervisor.ID, "info": v.supervisorInfo()}}}, nil
}

func (v *vcenter) knownSupervisor(r *http.Request) *apiError {
	if id := r.PathValue("id"); id != v.site.Supervisor.ID {
		return notFound("There is no Supervisor with the identifier %q.", id)
	}
	return nil
}

func (v *vcenter) supervisorSummary(r *http.Request) (any, *apiError) {
	if problem := v.knownSupervisor(r); problem != nil {
		return nil, problem
	}
	return v.supervisorInfo(), nil
}

func (v *vcenter) supervisorTopology(r *http.Request) (any, *apiError) {
	if problem := v.knownSupervisor(r); problem != nil {
		return nil, problem
	}
	return []any{map[string]any{"zone": v.cluster.Value, "clusters": []string{v.cluster.Value}}}, nil
}

func (v *vcenter) supervisorClusters(*http.Request) (any, *apiError) {
	return []any{map[string]any{
		"cluster": v.cluster.Value, "cluster_name": v.site.Cluster, "config_status": "RUNNING", "kubernetes_status": "READY",
	}}, nil
}

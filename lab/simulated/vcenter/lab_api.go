package main

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const maxPoll = 60 * time.Second

// labHandler serves /lab/v1 for the lab's operators.
func (v *vcenter) labHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /lab/v1/wcp", v.pollWCP)
	mux.HandleFunc("POST /lab/v1/wcp/namespaces/{ns}", v.reportNamespace)
	mux.HandleFunc("GET /lab/v1/capacity", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"hosts": v.placement.report()})
	})
	mux.HandleFunc("GET /lab/v1/vms", v.listOwned)
	mux.HandleFunc("POST /lab/v1/vms", v.createOwned)
	mux.HandleFunc("DELETE /lab/v1/vms/{owner...}", v.deleteOwned)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Lab-Token")), []byte(v.options.token)) != 1 {
			labError(w, http.StatusUnauthorized, "Unauthenticated", "The header X-Lab-Token is missing or wrong.")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func labError(w http.ResponseWriter, status int, reason, message string) {
	writeJSON(w, status, map[string]string{"reason": reason, "message": message})
}

// pollWCP answers when the state is newer than `since`, or after `wait` seconds.
func (v *vcenter) pollWCP(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	seconds, _ := strconv.ParseFloat(r.URL.Query().Get("wait"), 64)
	deadline := time.After(min(maxPoll, time.Duration(seconds*float64(time.Second))))
	for {
		v.wcp.mu.Lock()
		revision, changed := v.wcp.state.Revision, v.wcp.changed
		v.wcp.mu.Unlock()
		// A revision from the future is one of a lab that was reset.
		if revision != since {
			break
		}
		select {
		case <-changed:
			continue
		case <-r.Context().Done():
			return
		case <-deadline:
		}
		break
	}
	state, err := v.desiredState()
	if err == nil {
		err = v.flush()
	}
	if err != nil {
		labError(w, http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	writeJSON(w, http.StatusOK, state)
}

// desiredState is the state that the operators bring about.
func (v *vcenter) desiredState() (map[string]any, error) {
	v.wcp.mu.Lock()
	revision := v.wcp.state.Revision
	v.wcp.mu.Unlock()
	namespaces := []any{}
	for _, ns := range v.wcp.namespaces() {
		libraries := slices.Clone(ns.VMServiceSpec.ContentLibraries)
		for _, l := range ns.ContentLibraries {
			if !slices.Contains(libraries, l.ContentLibrary) {
				libraries = append(libraries, l.ContentLibrary)
			}
		}
		namespaces = append(namespaces, map[string]any{
			"name": ns.Name, "supervisor": ns.Supervisor, "description": ns.Description, "config_status": ns.ConfigStatus,
			"access_list": ns.AccessList, "storage_specs": ns.StorageSpecs, "vm_classes": ns.VMServiceSpec.VMClasses,
			"content_libraries": libraries, "revision": ns.Revision,
		})
	}
	classes := []any{}
	for _, id := range v.wcp.classIDs() {
		class, _ := v.wcp.class(id)
		if class == nil {
			continue
		}
		devices := []map[string]any{}
		_, directPath := class.gpus()
		for _, d := range directPath {
			devices = append(devices, map[string]any{"vendor_id": d.VendorID, "device_id": d.DeviceID, "custom_label": d.CustomLabel})
		}
		classes = append(classes, map[string]any{
			"id": id, "description": class.Description, "cpu_count": class.CPUCount, "memory_mib": class.MemoryMiB,
			"cpu_reservation": class.CPUReservation, "memory_reservation": class.MemoryReservation,
			"vgpu_profiles": class.profiles(), "direct_path_devices": devices,
		})
	}
	contentLibraries, err := v.vapi.libraries()
	if err != nil {
		return nil, err
	}
	libraries := []any{}
	for _, l := range contentLibraries {
		items := []any{}
		for _, id := range sortedKeys(l.Item) {
			item := l.Item[id]
			items = append(items, map[string]any{
				"id": id, "name": item.Name, "type": item.Type, "description": item.Description,
				"ovf_properties": v.itemProperties(l.ID, id),
			})
		}
		libraries = append(libraries, map[string]any{"id": l.ID, "name": l.Name, "items": items})
	}
	policies := []any{}
	for _, p := range v.policies.list() {
		policies = append(policies, map[string]string{"id": p.ID, "name": p.Name, "class_name": storageClassName(p.Name)})
	}
	return map[string]any{
		"revision": revision,
		"supervisor": map[string]any{
			"id": v.site.Supervisor.ID, "name": v.site.Supervisor.Name, "cluster": v.cluster.Value, "zone": v.cluster.Value,
		},
		"namespaces": namespaces, "vm_classes": classes, "libraries": libraries, "storage_policies": policies,
	}, nil
}

func (v *vcenter) reportNamespace(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ConfigStatus string `json:"config_status"`
		Revision     int64  `json:"revision"`
		Gone         bool   `json:"gone"`
	}
	name := r.PathValue("ns")
	problem := decode(r, &body)
	switch {
	case problem != nil:
	case body.Gone:
		if err := v.removeNamespaceVMs(name); err != nil {
			labError(w, http.StatusInternalServerError, "InternalError", err.Error())
			return
		}
		problem = v.wcp.confirmDeleted(name)
	default:
		problem = v.wcp.reportStatus(name, body.ConfigStatus, body.Revision)
	}
	if problem != nil {
		labError(w, problem.status, problem.kind, problem.message)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{})
}

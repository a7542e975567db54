package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	sessionHeader = "vmware-api-session-id"
	restSession   = "/rest/com/vmware/cis/session"
	management    = "/api/vcenter/namespace-management"
	instances     = "/api/vcenter/namespaces/instances"
	largestBody   = 4 << 20
)

// apiError is a failed REST call as vCenter words it.
type apiError struct {
	status  int
	kind    string
	message string
}

func invalid(format string, args ...any) *apiError {
	return refused("INVALID_ARGUMENT", format, args...)
}

func refused(kind, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, kind, fmt.Sprintf(format, args...)}
}

func missing(format string, args ...any) *apiError {
	return &apiError{http.StatusNotFound, "NOT_FOUND", fmt.Sprintf(format, args...)}
}

func failed(err error) *apiError {
	return &apiError{http.StatusInternalServerError, "ERROR", err.Error()}
}

func (e *apiError) write(w http.ResponseWriter) {
	answer(w, e.status, map[string]any{
		"error_type": e.kind,
		"messages": []map[string]any{{
			"id": "simulation." + strings.ToLower(e.kind), "default_message": e.message, "args": []string{},
		}},
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone when this fails
}

// call is a REST operation: what it answers, with status 200, or 204 when that is nil.
type call func(r *http.Request) (any, *apiError)

func decode(r *http.Request, into any) *apiError {
	body, err := io.ReadAll(io.LimitReader(r.Body, largestBody))
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return invalid("The request body is not what was expected: %v", err)
	}
	return nil
}

// restHandler serves /api. Sessions are those of the older /rest services, so that one session serves both, as in a vCenter.
func (v *vcenter) restHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/session", v.login)
	mux.HandleFunc("GET /api/session", v.session)
	mux.HandleFunc("DELETE /api/session", v.logout)
	routes := map[string]call{
		"GET " + management + "/supervisors/summaries":           v.supervisorSummaries,
		"GET " + management + "/supervisors/{id}/summary":        v.supervisorSummary,
		"GET " + management + "/supervisors/{id}/topology":       v.supervisorTopology,
		"GET " + management + "/clusters":                        v.supervisorClusters,
		"GET " + management + "/virtual-machine-classes":         v.listClasses,
		"POST " + management + "/virtual-machine-classes":        v.createClass,
		"GET " + management + "/virtual-machine-classes/{id}":    v.getClass,
		"PATCH " + management + "/virtual-machine-classes/{id}":  v.updateClass,
		"DELETE " + management + "/virtual-machine-classes/{id}": v.deleteClass,

		"GET " + instances + "/v2":                                v.listNamespaces,
		"POST " + instances + "/v2":                               v.createNamespace,
		"GET " + instances + "/v2/{ns}":                           v.getNamespace,
		"GET " + instances:                                        v.listNamespaces,
		"GET " + instances + "/{ns}":                              v.getNamespace,
		"PATCH " + instances + "/{ns}":                            v.updateNamespace,
		"DELETE " + instances + "/{ns}":                           v.deleteNamespace,
		"GET " + instances + "/{ns}/access/{domain}/{subject}":    v.getAccess,
		"POST " + instances + "/{ns}/access/{domain}/{subject}":   v.createAccess,
		"PUT " + instances + "/{ns}/access/{domain}/{subject}":    v.setAccess,
		"DELETE " + instances + "/{ns}/access/{domain}/{subject}": v.deleteAccess,

		"GET /api/vcenter/storage/policies":    func(*http.Request) (any, *apiError) { return v.storagePolicies(), nil },
		"GET /api/vcenter/cluster":             v.listClusters,
		"GET /api/vcenter/host":                v.listHosts,
		"GET /api/vcenter/datastore":           v.listDatastores,
		"GET /api/vcenter/vm":                  v.listVMs,
		"GET /api/content/library":             v.listLibraries,
		"POST /api/content/library":            v.findLibraries,
		"GET /api/content/library/{id}":        v.getLibrary,
		"GET /api/content/library/item":        v.listItems,
		"POST /api/content/library/item":       v.findItems,
		"GET /api/content/library/item/{item}": v.getItem,
	}
	for _, several := range []map[string]call{routes, v.lookAheadRoutes()} {
		for pattern, operation := range several {
			mux.HandleFunc(pattern, v.operation(operation))
		}
	}
	// What is not served here may be among the simulator's own endpoints.
	mux.Handle("/", v.serviceHandler())
	return mux
}

func (v *vcenter) operation(operation call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := v.sessionOf(r); !ok {
			unauthenticated(w, "Log in first: POST /api/session with basic authentication.")
			return
		}
		body, problem := operation(r)
		switch {
		case problem != nil:
			problem.write(w)
		case body == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			answer(w, http.StatusOK, body)
		}
	}
}

func unauthenticated(w http.ResponseWriter, message string) {
	(&apiError{http.StatusUnauthorized, "UNAUTHENTICATED", message}).write(w)
}

// inner asks the simulator's REST service in process.
func (v *vcenter) inner(method, path string, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, nil)
	request.Header = header
	recorder := httptest.NewRecorder()
	v.serviceHandler().ServeHTTP(recorder, request)
	return recorder
}

func (v *vcenter) login(w http.ResponseWriter, r *http.Request) {
	header := http.Header{"Authorization": r.Header["Authorization"], "Vmware-Use-Header-Authn": {"true"}}
	recorder := v.inner(http.MethodPost, restSession, header)
	var body struct{ Value string }
	if recorder.Code != http.StatusOK || json.Unmarshal(recorder.Body.Bytes(), &body) != nil {
		unauthenticated(w, "User name or password is wrong.")
		return
	}
	answer(w, http.StatusCreated, body.Value)
}

func sessionID(r *http.Request) string {
	if id := r.Header.Get(sessionHeader); id != "" {
		return id
	}
	if cookie, err := r.Cookie(sessionHeader); err == nil {
		return cookie.Value
	}
	return ""
}

func (v *vcenter) sessionOf(r *http.Request) (map[string]any, bool) {
	id := sessionID(r)
	if id == "" {
		return nil, false
	}
	recorder := v.inner(http.MethodPost, restSession+"?~action=get", http.Header{"Vmware-Api-Session-Id": {id}})
	var body struct{ Value map[string]any }
	if recorder.Code != http.StatusOK || json.Unmarshal(recorder.Body.Bytes(), &body) != nil {
		return nil, false
	}
	return body.Value, true
}

func (v *vcenter) session(w http.ResponseWriter, r *http.Request) {
	session, ok := v.sessionOf(r)
	if !ok {
		unauthenticated(w, "There is no such session.")
		return
	}
	answer(w, http.StatusOK, session)
}

func (v *vcenter) logout(w http.ResponseWriter, r *http.Request) {
	if _, ok := v.sessionOf(r); !ok {
		unauthenticated(w, "There is no such session.")
		return
	}
	v.inner(http.MethodDelete, restSession, http.Header{"Vmware-Api-Session-Id": {sessionID(r)}})
	w.WriteHeader(http.StatusNoContent)
}

// ---- Supervisor

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
		return missing("There is no Supervisor with the identifier %q.", id)
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
		return nil, missing("There is no namespace %q.", r.PathValue("ns"))
	}
	return struct {
		*wcpNamespace
		Cluster     string         `json:"cluster"`
		Stats       map[string]int `json:"stats"`
		SelfService bool           `json:"self_service_namespace"`
	}{ns, v.cluster.Value, stats(), false}, nil
}

func (v *vcenter) createNamespace(r *http.Request) (any, *apiError) {
	var spec namespaceSpec
	if problem := decode(r, &spec); problem != nil {
		return nil, problem
	}
	return nil, v.wcp.createNamespace(&spec)
}

func (v *vcenter) updateNamespace(r *http.Request) (any, *apiError) {
	var spec namespaceSpec
	if problem := decode(r, &spec); problem != nil {
		return nil, problem
	}
	return nil, v.wcp.updateNamespace(r.PathValue("ns"), &spec)
}

func (v *vcenter) deleteNamespace(r *http.Request) (any, *apiError) {
	return nil, v.wcp.deleteNamespace(r.PathValue("ns"))
}

// accessOf reads subject and type of an access request.
func accessOf(r *http.Request) (accessEntry, *apiError) {
	entry := accessEntry{SubjectType: r.URL.Query().Get("type"), Subject: r.PathValue("subject"), Domain: r.PathValue("domain"), Role: "VIEW"}
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		var body struct {
			Role             string `json:"role"`
			IdentityProvider string `json:"identity_provider"`
		}
		if problem := decode(r, &body); problem != nil {
			return entry, problem
		}
		entry.Role, entry.IdentityProvider = body.Role, body.IdentityProvider
	}
	return entry, nil
}

func (e accessEntry) samePrincipal(other accessEntry) bool {
	return e.SubjectType == other.SubjectType && e.IdentityProvider == other.IdentityProvider &&
		strings.EqualFold(e.Subject, other.Subject) && strings.EqualFold(e.Domain, other.Domain)
}

func (v *vcenter) changeAccess(r *http.Request, change func(ns *wcpNamespace, i int, entry accessEntry) *apiError) *apiError {
	entry, problem := accessOf(r)
	if problem == nil {
		problem = v.wcp.checkAccess(entry)
	}
	if problem != nil {
		return problem
	}
	return v.wcp.changeNamespace(r.PathValue("ns"), func(ns *wcpNamespace) *apiError {
		return change(ns, slices.IndexFunc(ns.AccessList, entry.samePrincipal), entry)
	})
}

func (v *vcenter) getAccess(r *http.Request) (any, *apiError) {
	entry, problem := accessOf(r)
	if problem != nil {
		return nil, problem
	}
	ns := v.wcp.namespace(r.PathValue("ns"))
	if ns == nil {
		return nil, missing("There is no namespace %q.", r.PathValue("ns"))
	}
	if i := slices.IndexFunc(ns.AccessList, entry.samePrincipal); i >= 0 {
		return map[string]string{"role": ns.AccessList[i].Role}, nil
	}
	return nil, missing("%s %s@%s has no access to namespace %q.", entry.SubjectType, entry.Subject, entry.Domain, ns.Name)
}

func (v *vcenter) createAccess(r *http.Request) (any, *apiError) {
	return nil, v.changeAccess(r, func(ns *wcpNamespace, i int, entry accessEntry) *apiError {
		if i >= 0 {
			return refused("ALREADY_EXISTS", "%s@%s has access to namespace %q already.", entry.Subject, entry.Domain, ns.Name)
		}
		ns.AccessList = append(ns.AccessList, entry)
		return nil
	})
}

func (v *vcenter) setAccess(r *http.Request) (any, *apiError) {
	return nil, v.changeAccess(r, func(ns *wcpNamespace, i int, entry accessEntry) *apiError {
		if i < 0 {
			return missing("%s@%s has no access to namespace %q.", entry.Subject, entry.Domain, ns.Name)
		}
		ns.AccessList[i].Role = entry.Role
		return nil
	})
}

func (v *vcenter) deleteAccess(r *http.Request) (any, *apiError) {
	return nil, v.changeAccess(r, func(ns *wcpNamespace, i int, entry accessEntry) *apiError {
		if i < 0 {
			return missing("%s@%s has no access to namespace %q.", entry.Subject, entry.Domain, ns.Name)
		}
		ns.AccessList = append(ns.AccessList[:i:i], ns.AccessList[i+1:]...)
		return nil
	})
}

// ---- VM classes

type classInfo struct {
	*vmClass
	ConfigStatus string            `json:"config_status"`
	Messages     []json.RawMessage `json:"messages"`
	Namespaces   []string          `json:"namespaces"`
	VMs          []string          `json:"vms"`
}

func (v *vcenter) classInfo(id string) *classInfo {
	class, namespaces := v.wcp.class(id)
	if class == nil {
		return nil
	}
	if class.Devices.VGPU == nil {
		class.Devices.VGPU = []classVGPU{}
	}
	if class.Devices.DirectPath == nil {
		class.Devices.DirectPath = []classDirectPath{}
	}
	return &classInfo{class, "READY", []json.RawMessage{}, namespaces, v.classVMs(id)}
}

func (v *vcenter) classVMs(id string) []string {
	vms := []string{}
	for _, vm := range v.owned.all() {
		if vm.Class == id {
			vms = append(vms, vm.Moid)
		}
	}
	slices.Sort(vms)
	return vms
}

func (v *vcenter) listClasses(*http.Request) (any, *apiError) {
	infos := []*classInfo{}
	for _, id := range v.wcp.classIDs() {
		if info := v.classInfo(id); info != nil {
			infos = append(infos, info)
		}
	}
	return infos, nil
}

func (v *vcenter) getClass(r *http.Request) (any, *apiError) {
	if info := v.classInfo(r.PathValue("id")); info != nil {
		return info, nil
	}
	return nil, missing("There is no VM class with the identifier %q.", r.PathValue("id"))
}

func (v *vcenter) createClass(r *http.Request) (any, *apiError) {
	var spec classSpec
	if problem := decode(r, &spec); problem != nil {
		return nil, problem
	}
	return nil, v.wcp.createClass(&spec)
}

func (v *vcenter) updateClass(r *http.Request) (any, *apiError) {
	var spec classSpec
	if problem := decode(r, &spec); problem != nil {
		return nil, problem
	}
	return nil, v.wcp.updateClass(r.PathValue("id"), &spec)
}

func (v *vcenter) deleteClass(r *http.Request) (any, *apiError) {
	return nil, v.wcp.deleteClass(r.PathValue("id"), v.classVMs(r.PathValue("id")))
}

// ---- inventory

func (v *vcenter) storagePolicies() []map[string]string {
	policies := []map[string]string{}
	for _, p := range v.policies.list() {
		policies = append(policies, map[string]string{"policy": p.ID, "name": p.Name, "description": p.Description})
	}
	return policies
}

func (v *vcenter) listClusters(r *http.Request) (any, *apiError) {
	if names := r.URL.Query()["names"]; len(names) > 0 && !slices.Contains(names, v.site.Cluster) {
		return []any{}, nil
	}
	return []any{map[string]any{"cluster": v.cluster.Value, "name": v.site.Cluster, "ha_enabled": true, "drs_enabled": true}}, nil
}

func (v *vcenter) listHosts(r *http.Request) (any, *apiError) {
	hosts := []any{}
	for _, h := range v.placement.hosts {
		system := v.registry.Get(h.ref).(*simulator.HostSystem)
		if names := r.URL.Query()["names"]; len(names) > 0 && !slices.Contains(names, h.name) {
			continue
		}
		hosts = append(hosts, map[string]any{
			"host": h.ref.Value, "name": h.name, "power_state": "POWERED_ON",
			"connection_state": strings.ToUpper(string(system.Runtime.ConnectionState)),
		})
	}
	return hosts, nil
}

func (v *vcenter) listDatastores(*http.Request) (any, *apiError) {
	summary := v.registry.Get(v.datastore).(*simulator.Datastore).Summary
	return []any{map[string]any{
		"datastore": v.datastore.Value, "name": summary.Name, "type": "VMFS", "capacity": summary.Capacity, "free_space": summary.FreeSpace,
	}}, nil
}

var powerStates = map[types.VirtualMachinePowerState]string{
	types.VirtualMachinePowerStatePoweredOn: "POWERED_ON", types.VirtualMachinePowerStatePoweredOff: "POWERED_OFF",
	types.VirtualMachinePowerStateSuspended: "SUSPENDED",
}

func (v *vcenter) listVMs(r *http.Request) (any, *apiError) {
	vms := []any{}
	names := r.URL.Query()["names"]
	for _, vm := range v.virtualMachines() {
		v.context().WithLock(vm, func() {
			if vm.Config.Template || len(names) > 0 && !slices.Contains(names, vm.Name) {
				return
			}
			vms = append(vms, map[string]any{
				"vm": vm.Self.Value, "name": vm.Name, "power_state": powerStates[vm.Runtime.PowerState],
				"cpu_count": vm.Config.Hardware.NumCPU, "memory_size_MiB": vm.Config.Hardware.MemoryMB,
			})
		})
	}
	return vms, nil
}

// ---- content libraries

func (v *vcenter) withLibraries(use func([]contentLibrary) (any, *apiError)) (any, *apiError) {
	libraries, err := v.vapi.libraries()
	if err != nil {
		return nil, failed(err)
	}
	return use(libraries)
}

func (v *vcenter) listLibraries(*http.Request) (any, *apiError) {
	return v.findLibrary("", "")
}

func (v *vcenter) findLibrary(name, kind string) (any, *apiError) {
	return v.withLibraries(func(libraries []contentLibrary) (any, *apiError) {
		ids := []string{}
		for _, l := range libraries {
			if (name == "" || strings.EqualFold(l.Name, name)) && (kind == "" || l.Type == kind) {
				ids = append(ids, l.ID)
			}
		}
		return ids, nil
	})
}

var errNoAction = errors.New("only action=find is served here; libraries are made through /rest/com/vmware/content")

func (v *vcenter) findLibraries(r *http.Request) (any, *apiError) {
	var spec struct{ Name, Type string }
	if r.URL.Query().Get("action") != "find" {
		return nil, invalid("%v", errNoAction)
	}
	if problem := decode(r, &spec); problem != nil {
		return nil, problem
	}
	return v.findLibrary(spec.Name, spec.Type)
}

func (v *vcenter) getLibrary(r *http.Request) (any, *apiError) {
	return v.withLibraries(func(libraries []contentLibrary) (any, *apiError) {
		for _, l := range libraries {
			if l.ID == r.PathValue("id") {
				return l.Library, nil
			}
		}
		return nil, missing("There is no content library with the identifier %q.", r.PathValue("id"))
	})
}

func (v *vcenter) items(match func(libraryItem) bool) (any, *apiError) {
	return v.withLibraries(func(libraries []contentLibrary) (any, *apiError) {
		ids := []string{}
		for _, l := range libraries {
			for _, id := range sortedKeys(l.Item) {
				if match(l.Item[id]) {
					ids = append(ids, id)
				}
			}
		}
		return ids, nil
	})
}

func (v *vcenter) listItems(r *http.Request) (any, *apiError) {
	wanted := r.URL.Query().Get("library_id")
	return v.items(func(item libraryItem) bool { return item.LibraryID == wanted })
}

func (v *vcenter) findItems(r *http.Request) (any, *apiError) {
	var spec struct {
		Name      string `json:"name"`
		LibraryID string `json:"library_id"`
		Type      string `json:"type"`
	}
	if r.URL.Query().Get("action") != "find" {
		return nil, invalid("%v", errNoAction)
	}
	if problem := decode(r, &spec); problem != nil {
		return nil, problem
	}
	return v.items(func(item libraryItem) bool {
		return (spec.Name == "" || strings.EqualFold(item.Name, spec.Name)) &&
			(spec.LibraryID == "" || item.LibraryID == spec.LibraryID) && (spec.Type == "" || item.Type == spec.Type)
	})
}

func (v *vcenter) getItem(r *http.Request) (any, *apiError) {
	return v.withLibraries(func(libraries []contentLibrary) (any, *apiError) {
		for _, l := range libraries {
			if item, ok := l.Item[r.PathValue("item")]; ok {
				return item.Item, nil
			}
		}
		return nil, missing("There is no library item with the identifier %q.", r.PathValue("item"))
	})
}

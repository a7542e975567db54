package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const ovfItems = "/rest/com/vmware/vcenter/ovf/library-item/"

// deployed serves a request. A machine deployed from a library item gets the annotation that was asked for, which the
// simulator forgets; clients know their own machines by it.
func (v *vcenter) deployed(w *heldResponse, r *http.Request, next http.Handler) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, ovfItems) {
		next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		failed(err).write(w)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(w, r)
	var asked struct {
		Spec struct {
			Annotation string `json:"annotation"`
		} `json:"deployment_spec"`
	}
	var made struct {
		Value struct {
			Resource struct{ Type, ID string } `json:"resource_id"`
		} `json:"value"`
	}
	if json.Unmarshal(body, &asked) != nil || asked.Spec.Annotation == "" || json.Unmarshal(w.body.Bytes(), &made) != nil {
		return
	}
	ref := types.ManagedObjectReference{Type: made.Value.Resource.Type, Value: made.Value.Resource.ID}
	if vm, ok := v.registry.Get(ref).(*simulator.VirtualMachine); ok {
		ctx := v.context()
		ctx.WithLock(vm, func() {
			ctx.Update(vm, []types.PropertyChange{{Name: "config.annotation", Val: asked.Spec.Annotation}})
		})
	}
}

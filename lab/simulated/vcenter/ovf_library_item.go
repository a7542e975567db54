package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const ovfItems = "/rest/com/vmware/vcenter/ovf/library-item/"

// serveDeployment serves a request. A machine deployed from a library item gets the annotation that was asked for, which the
// simulator forgets; clients know their own machines by it.
func (v *vcenter) serveDeployment(w *bufferedResponse, r *http.Request, next http.Handler) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.URL.Path, ovfItems) {
		next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		internalError(err).write(w)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	next.ServeHTTP(w, r)
	var requested struct {
		Spec struct {
			Annotation string `json:"annotation"`
		} `json:"deployment_spec"`
	}
	var deployed struct {
		Value struct {
			Resource struct{ Type, ID string } `json:"resource_id"`
		} `json:"value"`
	}
	if json.Unmarshal(body, &requested) != nil || requested.Spec.Annotation == "" || json.Unmarshal(w.body.Bytes(), &deployed) != nil {
		return
	}
	ref := types.ManagedObjectReference{Type: deployed.Value.Resource.Type, Value: deployed.Value.Resource.ID}
	if vm, ok := v.registry.Get(ref).(*simulator.VirtualMachine); ok {
		ctx := v.context()
		ctx.WithLock(vm, func() {
			ctx.Update(vm, []types.PropertyChange{{Name: "config.annotation", Val: requested.Spec.Annotation}})
		})
	}
}

// filterItem tells the properties that a user may set, of a library item for a place where it is to run.
func (v *vcenter) filterItem(r *http.Request) (any, *apiError) {
	var spec struct {
		Target struct {
			ResourcePool string `json:"resource_pool_id"`
		} `json:"target"`
	}
	if r.URL.Query().Get("action") != "filter" {
		return nil, invalidArgument("only action=filter is served here; items are deployed through /rest/com/vmware/vcenter/ovf")
	}
	if problem := decode(r, &spec); problem != nil {
		return nil, problem
	}
	if spec.Target.ResourcePool != v.rootPool.Value {
		return nil, notFound("There is no resource pool with the identifier %q.", spec.Target.ResourcePool)
	}
	return v.withLibraries(func(libraries []contentLibrary) (any, *apiError) {
		for _, l := range libraries {
			item, known := l.Item[r.PathValue("item")]
			if !known {
				continue
			}
			if !slices.Contains([]string{"ovf", ""}, item.Type) {
				return nil, invalidArgument("Library item %q is of type %s; expected an OVF.", item.Name, item.Type)
			}
			properties := []any{}
			for _, property := range v.itemProperties(l.ID, item.ID) {
				properties = append(properties, map[string]any{"id": property["key"], "type": property["type"], "ui_optional": false})
			}
			return map[string]any{"name": item.Name, "additional_params": []any{
				map[string]any{"type": "PropertyParams", "properties": properties},
			}}, nil
		}
		return nil, notFound("There is no library item with the identifier %q.", r.PathValue("item"))
	})
}

// itemProperties are the properties that a user may set, of the OVF descriptor of a library item: operators show them
// with the image. An item without a descriptor has none.
func (v *vcenter) itemProperties(library, item string) []map[string]string {
	properties := []map[string]string{}
	store, ok := v.registry.Get(v.datastore).(*simulator.Datastore)
	if !ok {
		return properties
	}
	files, _ := filepath.Glob(filepath.Join(store.Info.GetDatastoreInfo().Url, "contentlib-"+library, item, "*.ovf"))
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			continue
		}
		envelope, err := ovf.Unmarshal(file)
		_ = file.Close()
		if err != nil || envelope.VirtualSystem == nil {
			continue
		}
		for _, product := range envelope.VirtualSystem.Product {
			for _, property := range product.Property {
				if property.UserConfigurable != nil && *property.UserConfigurable {
					properties = append(properties, map[string]string{"key": property.Key, "type": property.Type})
				}
			}
		}
	}
	return properties
}

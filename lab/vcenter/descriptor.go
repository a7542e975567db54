package main

import (
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/simulator"
)

// itemProperties are the properties that a user may set, of the OVF descriptor of a library item: operators show them
// with the image. An item without a descriptor has none.
func (v *vcenter) itemProperties(library, item string) []map[string]string {
	found := []map[string]string{}
	store, ok := v.registry.Get(v.datastore).(*simulator.Datastore)
	if !ok {
		return found
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
					found = append(found, map[string]string{"key": property.Key, "type": property.Type})
				}
			}
		}
	}
	return found
}

package main

import (
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const serviceFolder = "Namespaces"

// namespaceHome is the folder and resource pool of a namespace, as the Supervisor makes them.
func (v *vcenter) namespaceHome(namespace string) (*object.Folder, *object.ResourcePool, error) {
	v.folders.Lock()
	defer v.folders.Unlock()
	ctx := v.background
	folder := object.NewFolder(v.client, v.vmFolder)
	pool := object.NewResourcePool(v.client, v.rootPool)
	for _, name := range []string{serviceFolder, namespace} {
		next, err := v.ensureChild(folder, name, func() (object.Reference, error) { return folder.CreateFolder(ctx, name) })
		if err != nil {
			return nil, nil, err
		}
		folder = object.NewFolder(v.client, next)
		next, err = v.ensureChild(pool, name, func() (object.Reference, error) {
			return pool.Create(ctx, name, types.DefaultResourceConfigSpec())
		})
		if err != nil {
			return nil, nil, err
		}
		pool = object.NewResourcePool(v.client, next)
	}
	return folder, pool, nil
}

// ensureChild is the child of that name, made when it is not there.
func (v *vcenter) ensureChild(
	parent object.Reference, name string, create func() (object.Reference, error),
) (types.ManagedObjectReference, error) {
	if found := v.childOf(parent.Reference(), name); found != nil {
		return *found, nil
	}
	made, err := create()
	if err != nil {
		return types.ManagedObjectReference{}, err
	}
	return made.Reference(), nil
}

func (v *vcenter) childOf(parent types.ManagedObjectReference, name string) *types.ManagedObjectReference {
	var found *types.ManagedObjectReference
	object := v.registry.Get(parent)
	v.context().WithLock(object, func() {
		var children []types.ManagedObjectReference
		switch p := object.(type) {
		case *simulator.Folder:
			children = p.ChildEntity
		case *simulator.ResourcePool:
			children = p.ResourcePool.ResourcePool
		}
		if entity := v.registry.FindByName(name, children); entity != nil {
			ref := entity.Reference()
			found = &ref
		}
	})
	return found
}

// removeNamespaceVMs clears what is left of a namespace in the inventory.
func (v *vcenter) removeNamespaceVMs(namespace string) error {
	for _, owned := range v.owned.all() {
		if owned.Namespace == namespace {
			v.destroy(owned.Moid)
		}
	}
	v.folders.Lock()
	defer v.folders.Unlock()
	if top := v.childOf(v.vmFolder, serviceFolder); top != nil {
		if ref := v.childOf(*top, namespace); ref != nil {
			if err := awaitTask(v, object.NewFolder(v.client, *ref).Destroy); err != nil {
				return err
			}
		}
	}
	if top := v.childOf(v.rootPool, serviceFolder); top != nil {
		if ref := v.childOf(*top, namespace); ref != nil {
			return awaitTask(v, object.NewResourcePool(v.client, *ref).Destroy)
		}
	}
	return nil
}

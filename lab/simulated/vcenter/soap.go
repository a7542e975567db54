package main

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// collectors are made per session at first use, which two first requests at once would do twice.
var collectorInit sync.Mutex

// validatedMethods are the calls that the platform's rules are about.
var validatedMethods = map[string]bool{
	"ReconfigVM_Task": true, "PowerOnVM_Task": true, "PowerOffVM_Task": true, "ShutdownGuest": true, "ResetVM_Task": true,
	"SuspendVM_Task": true, "CreateSnapshot_Task": true, "CreateSnapshotEx_Task": true, "RelocateVM_Task": true,
	"MigrateVM_Task": true, "MarkAsTemplate": true, "MarkAsVirtualMachine": true, "SetCustomValue": true,
	"CloneVM_Task": true, "CreateVM_Task": true, "ImportVApp": true, "UpdateConfig": true, "PowerOnMultiVM_Task": true,
	"QueryConfigTarget": true, "UpgradeVM_Task": true, "CreateImportSpec": true,
}

// validator is the common part of objects that hold rules.
type validator struct {
	v *vcenter
	// restoreSession gives the session its own objects back, see intercept.
	restoreSession func()
}

// Entity keeps the registry from taking a rule's object for the entity that it stands for.
func (validator) Entity() {}

// intercept gives calls that rules are about to objects that hold the rules; nil leaves the call as it is.
//
// The simulator prefers a session's own objects to what this function returns, so the validating object is made one of the
// session's for the length of this call: ctx.Session is this request's copy.
func (v *vcenter) intercept(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, nil
	}
	if method.This.Type == "PropertyCollector" {
		collectorInit.Lock()
		defer collectorInit.Unlock()
		ctx.Session.Get(method.This)
		return nil, nil
	}
	if actual, ok := subtype(ctx, method.This); ok {
		return v.registry.Get(actual), nil
	}
	if vm, ok := v.vmOfBrowser(method.This); ok {
		browser := v.registry.Get(*v.registry.Get(v.cluster).(*simulator.ClusterComputeResource).EnvironmentBrowser)
		return &vmBrowser{validatingBrowser{browser.(*simulator.EnvironmentBrowser), v.directValidator()}, vm}, nil
	}
	if !validatedMethods[method.Name] {
		return nil, nil
	}
	own := ctx.Session.Registry
	r := validator{v, func() { ctx.Session.Registry = own }}
	validating := r.wrap(v.registry.Get(method.This))
	if validating == nil {
		return nil, nil
	}
	ctx.Session.Registry = simulator.NewRegistry()
	ctx.Session.Registry.Put(validating)
	return validating, nil
}

func (r validator) wrap(object mo.Reference) mo.Reference {
	switch o := object.(type) {
	case *simulator.VirtualMachine:
		return &validatingVM{o, r}
	case *simulator.Folder:
		return &validatingFolder{o, r}
	case *simulator.ResourcePool:
		return &validatingPool{o, r}
	case *simulator.Datacenter:
		return &validatingDatacenter{o, r}
	case *simulator.EnvironmentBrowser:
		return &validatingBrowser{o, r}
	case *simulator.OvfManager:
		return &validatingOVF{o, r}
	}
	return nil
}

// directValidator is the rule for calls from here, which need no session.
func (v *vcenter) directValidator() validator { return validator{v, func() {}} }

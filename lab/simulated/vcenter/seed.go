package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"text/template"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vapi/library"
	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// dlvmProduct marks the simulated Deep Learning VM in OVF descriptors.
const dlvmProduct = "Simulated Deep Learning VM"

//go:embed dlvm.ovf
var dlvmDescriptor string

//go:embed node.ovf
var nodeDescriptor string

// seed fills a new lab: VM classes, content libraries and the VM template.
func (v *vcenter) seed() error {
	for _, class := range v.site.Classes {
		memory := class.MemoryGib << 10
		cpus := class.CPUs
		spec := &classSpec{ID: class.Name, CPUCount: &cpus, MemoryMiB: &memory}
		if class.CPUReservation > 0 {
			spec.CPUReservation = &class.CPUReservation
		}
		if class.MemoryReservation > 0 {
			spec.MemoryReservation = &class.MemoryReservation
		}
		if problem := v.wcp.createClass(spec); problem != nil {
			return fmt.Errorf("class %s: %s", class.Name, problem.message)
		}
	}
	if err := v.seedLibraries(); err != nil {
		return err
	}
	if err := v.seedNamespaces(); err != nil {
		return err
	}
	v.vapi.markDirty()
	return v.seedTemplate()
}

// seedNamespaces makes those of others, which are RUNNING from the start.
func (v *vcenter) seedNamespaces() error {
	for _, wanted := range v.site.Namespaces {
		storage := []storageSpec{}
		for _, name := range wanted.Storage {
			for _, policy := range v.policies.list() {
				if policy.Name == name {
					storage = append(storage, storageSpec{Policy: policy.ID})
				}
			}
		}
		text := wanted.Description
		spec := &namespaceSpec{
			Namespace: wanted.Name, Supervisor: v.site.Supervisor.ID, Description: &text, StorageSpecs: &storage,
			VMServiceSpec: &vmServiceSpec{VMClasses: wanted.Classes, ContentLibraries: []string{}},
		}
		if problem := v.wcp.createNamespace(spec); problem != nil {
			return fmt.Errorf("namespace %s: %s", wanted.Name, problem.message)
		}
		if problem := v.wcp.reportStatus(wanted.Name, "RUNNING", 0); problem != nil {
			return fmt.Errorf("namespace %s: %s", wanted.Name, problem.message)
		}
	}
	return nil
}

func (v *vcenter) seedLibraries() error {
	ctx := v.background
	vim, err := vim25.NewClient(ctx, soap.NewClient(v.service.Listen, true))
	if err != nil {
		return err
	}
	client := rest.NewClient(vim)
	if err := client.Login(ctx, v.service.Listen.User); err != nil {
		return err
	}
	defer func() { _ = client.Logout(ctx) }()
	manager := library.NewManager(client)
	for _, wanted := range v.site.Libraries {
		description := "Content library of the simulated site"
		id, err := manager.CreateLibrary(ctx, library.Library{
			Name: wanted.Name, Type: "LOCAL", Description: &description,
			Storage: []library.StorageBacking{{DatastoreID: v.datastore.Value, Type: "DATASTORE"}},
		})
		if err != nil {
			return fmt.Errorf("library %s: %w", wanted.Name, err)
		}
		for _, item := range wanted.Items {
			text := item.Description
			itemID, err := manager.CreateLibraryItem(ctx, library.Item{LibraryID: id, Name: item.Name, Type: item.Type, Description: &text})
			if err != nil {
				return fmt.Errorf("library item %s: %w", item.Name, err)
			}
			if err := v.seedItem(ctx, manager, itemID, item.Name, item.Descriptor); err != nil {
				return fmt.Errorf("library item %s: %w", item.Name, err)
			}
		}
	}
	return nil
}

func (v *vcenter) seedItem(ctx context.Context, manager *library.Manager, item, name, descriptor string) error {
	text, err := v.descriptor(descriptor)
	if err != nil {
		return err
	}
	session, err := manager.CreateLibraryItemUpdateSession(ctx, library.Session{LibraryItemID: item})
	if err != nil {
		return err
	}
	file, err := manager.AddLibraryItemFile(ctx, session, library.UpdateFile{Name: name + ".ovf", SourceType: "PUSH", Size: int64(len(text))})
	if err != nil {
		return err
	}
	target, err := manager.ParseURL(file.UploadEndpoint.URI)
	if err != nil {
		return err
	}
	upload := soap.DefaultUpload
	upload.ContentLength = int64(len(text))
	if err := manager.Client.Upload(ctx, bytes.NewReader(text), target, &upload); err != nil {
		return err
	}
	return manager.CompleteLibraryItemUpdateSession(ctx, session)
}

func (v *vcenter) descriptor(name string) ([]byte, error) {
	text, known := map[string]string{"dlvm": dlvmDescriptor, "node": nodeDescriptor}[name]
	if !known {
		return nil, fmt.Errorf("descriptor is %q; expected dlvm or node", name)
	}
	parsed, err := template.New(name).Parse(text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]any{
		"Product": dlvmProduct, "Version": "9.0.1", "CPUs": v.site.Template.CPUs, "MemoryMB": v.site.Template.MemoryGib << 10,
		"DiskGib": v.site.Template.DiskGib, "Network": v.site.Network.Portgroup,
		"NodeCPUs": 2, "NodeMemoryMB": 4096, "NodeDiskGib": 20,
	})
	return out.Bytes(), err
}

// seedTemplate deploys the library's descriptor once and makes a template of it, so that both have the same properties.
func (v *vcenter) seedTemplate() error {
	ctx := v.background
	text, err := v.descriptor("dlvm")
	if err != nil {
		return err
	}
	params := types.OvfCreateImportSpecParams{EntityName: v.site.Template.Name}
	manager := &validatingOVF{v.registry.Get(*v.client.ServiceContent.OvfManager).(*simulator.OvfManager), v.directValidator()}
	res := manager.CreateImportSpec(v.context(), &types.CreateImportSpec{
		OvfDescriptor: string(text), ResourcePool: v.rootPool, Datastore: v.datastore, Cisp: &params,
	})
	if fault := res.Fault(); fault != nil {
		return soap.WrapSoapFault(fault)
	}
	spec, ok := res.(*methods.CreateImportSpecBody).Res.Returnval.ImportSpec.(*types.VirtualMachineImportSpec)
	if !ok {
		return fmt.Errorf("the simulator cannot import the descriptor of %s", v.site.Template.Name)
	}
	for _, change := range spec.ConfigSpec.DeviceChange {
		if disk, ok := change.GetVirtualDeviceConfigSpec().Device.(*types.VirtualDisk); ok {
			backing := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			backing.FileName, backing.ThinProvisioned = "", types.NewBool(true)
		}
	}
	host := object.NewHostSystem(v.client, v.placement.hosts[0].ref)
	folder := object.NewFolder(v.client, v.vmFolder)
	ref, err := v.taskResult(folder.CreateVM(ctx, spec.ConfigSpec, object.NewResourcePool(v.client, v.rootPool), host))
	if err != nil {
		return err
	}
	v.placement.release(ref.Value)
	return object.NewVirtualMachine(v.client, ref).MarkAsTemplate(ctx)
}

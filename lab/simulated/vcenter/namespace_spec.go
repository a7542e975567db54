package main

import (
	"encoding/json"
	"slices"
)

// namespaceSpec is a request to create or update; absent fields are left alone.
type namespaceSpec struct {
	Namespace        string              `json:"namespace"`
	Supervisor       string              `json:"supervisor"`
	Description      *string             `json:"description"`
	AccessList       *[]accessEntry      `json:"access_list"`
	StorageSpecs     *[]storageSpec      `json:"storage_specs"`
	VMServiceSpec    *vmServiceSpec      `json:"vm_service_spec"`
	ContentLibraries *[]namespaceLibrary `json:"content_libraries"`
	ResourceSpec     json.RawMessage     `json:"resource_spec"`
	NetworkSpec      json.RawMessage     `json:"network_spec"`
}

type storageSpec struct {
	Policy string `json:"policy"`
	Limit  *int64 `json:"limit,omitempty"` // MiB
}

type vmServiceSpec struct {
	VMClasses        []string `json:"vm_classes"`
	ContentLibraries []string `json:"content_libraries"`
}

type namespaceLibrary struct {
	ContentLibrary         string `json:"content_library"`
	Writable               bool   `json:"writable"`
	AllowImport            bool   `json:"allow_import"`
	ResourceNamingStrategy string `json:"resource_naming_strategy,omitempty"`
}

func (ns *wcpNamespace) apply(spec *namespaceSpec) *apiError {
	if problem := ns.applyLibraries(spec); problem != nil {
		return problem
	}
	setIfPresent(&ns.Description, spec.Description)
	setIfPresent(&ns.AccessList, spec.AccessList)
	setIfPresent(&ns.StorageSpecs, spec.StorageSpecs)
	if spec.VMServiceSpec != nil {
		ns.VMServiceSpec.VMClasses = spec.VMServiceSpec.VMClasses
	}
	if spec.ResourceSpec != nil {
		ns.ResourceSpec = spec.ResourceSpec
	}
	if spec.NetworkSpec != nil {
		ns.NetworkSpec = spec.NetworkSpec
	}
	return nil
}

// applyLibraries keeps the libraries of the VM Service and those of the VM Image Service one set, as vCenter does. The latter
// carry the settings; without them in a request the present ones stay, and no writable library may go.
func (ns *wcpNamespace) applyLibraries(spec *namespaceSpec) *apiError {
	if spec.VMServiceSpec == nil && spec.ContentLibraries == nil {
		return nil
	}
	settings, wanted := ns.ContentLibraries, []string{}
	if spec.VMServiceSpec != nil {
		wanted = append(wanted, spec.VMServiceSpec.ContentLibraries...)
	}
	if spec.ContentLibraries != nil {
		settings = *spec.ContentLibraries
		for _, l := range settings {
			if !slices.Contains(wanted, l.ContentLibrary) {
				wanted = append(wanted, l.ContentLibrary)
			}
		}
	}
	libraries := []namespaceLibrary{}
	for _, id := range wanted {
		i := slices.IndexFunc(settings, func(l namespaceLibrary) bool { return l.ContentLibrary == id })
		if i < 0 {
			libraries = append(libraries, namespaceLibrary{ContentLibrary: id})
			continue
		}
		libraries = append(libraries, settings[i])
	}
	for _, l := range ns.ContentLibraries {
		if l.Writable && spec.ContentLibraries == nil && !slices.Contains(wanted, l.ContentLibrary) {
			return invalidArgument("The content library %q is writable; it is taken away with content_libraries only.", l.ContentLibrary)
		}
	}
	ns.ContentLibraries, ns.VMServiceSpec.ContentLibraries = libraries, wanted
	return nil
}

// checkNamespace looks at what a request names outside the Supervisor.
func (w *wcp) checkNamespace(spec *namespaceSpec) *apiError {
	if spec.AccessList != nil {
		for _, entry := range *spec.AccessList {
			if problem := w.checkAccess(entry); problem != nil {
				return problem
			}
		}
	}
	if spec.StorageSpecs != nil {
		policies := w.v.policies.list()
		for _, s := range *spec.StorageSpecs {
			if !slices.ContainsFunc(policies, func(p storagePolicy) bool { return p.ID == s.Policy }) {
				return invalidArgument("There is no storage policy with the identifier %q.", s.Policy)
			}
		}
	}
	wanted := []string{}
	if spec.VMServiceSpec != nil {
		wanted = append(wanted, spec.VMServiceSpec.ContentLibraries...)
	}
	if spec.ContentLibraries != nil {
		for _, l := range *spec.ContentLibraries {
			wanted = append(wanted, l.ContentLibrary)
		}
	}
	libraries, err := w.v.vapi.libraries()
	if err != nil {
		return internalError(err)
	}
	for _, id := range wanted {
		if !slices.ContainsFunc(libraries, func(l contentLibrary) bool { return l.ID == id }) {
			return invalidArgument("There is no content library with the identifier %q.", id)
		}
	}
	return nil
}

// checkClasses looks for the VM classes of a request; w.mu is held.
func (w *wcp) checkClasses(spec *vmServiceSpec) *apiError {
	if spec == nil {
		return nil
	}
	for _, name := range spec.VMClasses {
		if w.state.Classes[name] == nil {
			return invalidArgument("There is no VM class with the identifier %q.", name)
		}
	}
	return nil
}

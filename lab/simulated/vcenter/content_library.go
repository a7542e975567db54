package main

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/vmware/govmomi/vapi/library"
)

// contentLibrary and libraryItem are what the REST API shows of a library.
type contentLibrary struct {
	library.Library
	Item map[string]libraryItem
}

type libraryItem struct {
	library.Item
	File []library.File
}

func (s *vapiState) libraries() ([]contentLibrary, error) {
	lock := s.handler.(attacher)
	lock.Lock()
	text, err := json.Marshal(s.field("Library").Interface())
	lock.Unlock()
	if err != nil {
		return nil, err
	}
	var byID map[string]contentLibrary
	if err := json.Unmarshal(text, &byID); err != nil {
		return nil, err
	}
	libraries := make([]contentLibrary, 0, len(byID))
	for _, id := range sortedKeys(byID) {
		libraries = append(libraries, byID[id])
	}
	return libraries, nil
}

func (v *vcenter) libraryDirectories() []string {
	libraries, err := v.vapi.libraries()
	if err != nil {
		return nil
	}
	var names []string
	for _, l := range libraries {
		names = append(names, "contentlib-"+l.ID)
	}
	return names
}

func (v *vcenter) withLibraries(use func([]contentLibrary) (any, *apiError)) (any, *apiError) {
	libraries, err := v.vapi.libraries()
	if err != nil {
		return nil, internalError(err)
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

// decodeFind reads what is looked for; any other action is refused.
func decodeFind(r *http.Request, spec any) *apiError {
	if r.URL.Query().Get("action") != "find" {
		return invalidArgument("only action=find is served here; libraries are made through /rest/com/vmware/content")
	}
	return decode(r, spec)
}

func (v *vcenter) findLibraries(r *http.Request) (any, *apiError) {
	var spec struct{ Name, Type string }
	if problem := decodeFind(r, &spec); problem != nil {
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
		return nil, notFound("There is no content library with the identifier %q.", r.PathValue("id"))
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
	if problem := decodeFind(r, &spec); problem != nil {
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
		return nil, notFound("There is no library item with the identifier %q.", r.PathValue("item"))
	})
}

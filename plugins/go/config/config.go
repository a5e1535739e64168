// Package config has the settings that the operator wrote for this plugin: config = { base-url = "https://cdn.example.com" }.
package config

import (
	jobhost "jobhost-plugin"
	host "jobhost-plugin/internal/wit/wasi_config_store"
)

// Get returns the setting of this name, and whether the operator wrote one.
func Get(key string) (string, bool, error) {
	result := host.Get(jobhost.WellFormed(key))
	if result.IsErr() {
		return "", false, failure(result.Err())
	}
	value := result.Ok()
	if value.IsNone() {
		return "", false, nil
	}
	return value.Some(), true, nil
}

// Required returns the same of one that the plugin cannot do without; the error is permanent, not-configured, where there is none.
func Required(key string) (string, error) {
	value, found, err := Get(key)
	if err == nil && !found {
		message := "there is no setting `" + key + "`; add `config = { \"" + key + "\" = \"…\" }` to the plugin's grants"
		err = jobhost.Permanent("not-configured", message)
	}
	return value, err
}

// All returns all settings, by name.
func All() (map[string]string, error) {
	result := host.GetAll()
	if result.IsErr() {
		return nil, failure(result.Err())
	}
	all := map[string]string{}
	for _, setting := range result.Ok() {
		all[setting.F0] = setting.F1
	}
	return all, nil
}

func failure(err host.Error) error {
	why := ""
	switch err.Tag() {
	case host.ErrorUpstream:
		why = err.Upstream()
	case host.ErrorIo:
		why = err.Io()
	}
	return jobhost.Temporary("config", "the settings cannot be read: "+why)
}

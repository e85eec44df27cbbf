package main

import (
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

// show turns a message into what tests/vectors/typha/README.md says of its JSON.
func show(message any) fields {
	if message == nil {
		return fields{"type": nil}
	}
	value := reflect.ValueOf(message)
	if value.Kind() != reflect.Struct {
		return fields{"type": value.Type().String(), "msg": message}
	}
	return fields{"type": value.Type().Name(), "msg": showStruct(value)}
}

func showStruct(value reflect.Value) fields {
	shown := fields{}
	for field, content := range value.Fields() {
		if content.Kind() == reflect.Interface {
			shown[field.Name] = showRevision(content.Interface())
		} else {
			shown[field.Name] = showField(content)
		}
	}
	return shown
}

func showField(value reflect.Value) any {
	if at, ok := value.Interface().(time.Time); ok {
		return showTime(at)
	}
	if value.Kind() == reflect.Uint64 {
		return strconv.FormatUint(value.Uint(), 10)
	}
	if bytes, ok := value.Interface().([]byte); ok {
		return orNull(bytes)
	}
	if value.Kind() != reflect.Slice || value.Type().Elem().Kind() != reflect.Struct || value.IsNil() {
		return value.Interface()
	}
	list := make([]fields, 0, value.Len())
	for i := range value.Len() {
		list = append(list, showStruct(value.Index(i)))
	}
	return list
}

// orNull makes empty bytes look like none, as they do on the wire.
func orNull(bytes []byte) any {
	if len(bytes) == 0 {
		return nil
	}
	return bytes
}

func showTime(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	_, offset := at.Zone()
	marshalled, err := at.MarshalBinary()
	if err != nil {
		return fields{"error": err.Error()}
	}
	return fields{
		"unix_sec": at.Unix(), "nsec": at.Nanosecond(), "zone_offset_sec": offset, "marshal_hex": hex.EncodeToString(marshalled),
	}
}

// revisionText is what the clients make of a revision.
func revisionText(revision any) string { return fmt.Sprint(revision) }

func showRevision(revision any) any {
	if revision == nil {
		return nil
	}
	shown := fields{"go_type": reflect.TypeOf(revision).String(), "as_client_revision_string": revisionText(revision)}
	switch value := reflect.ValueOf(revision); value.Kind() {
	case reflect.Uint64:
		return strconv.FormatUint(value.Uint(), 10)
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uintptr:
		shown["value_decimal"] = revisionText(revision)
	case reflect.Float64:
		shown["bits"] = fmt.Sprintf("%016x", math.Float64bits(value.Float()))
		shown["value_text"] = revisionText(revision)
	case reflect.Float32, reflect.Complex64, reflect.Complex128:
		shown["value_text"] = revisionText(revision)
	default:
		if bytes, ok := revision.([]byte); ok {
			return orNull(bytes)
		}
		shown["value"] = revision
	}
	return shown
}

package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// shownMessage is a message as show makes it, alone or in a line of `gob decode`.
type shownMessage struct {
	Type    *string         `json:"type"`
	Msg     json.RawMessage `json:"msg"`
	Message *shownMessage   `json:"message"`
}

// parse is the reverse of show, into one of these messages.
func parse(line []byte, messages []any) (any, error) {
	var shown shownMessage
	if err := json.Unmarshal(line, &shown); err != nil {
		return nil, err
	}
	if shown.Message != nil {
		shown = *shown.Message
	}
	if shown.Type == nil {
		return nil, nil
	}
	return parseMessage(*shown.Type, shown.Msg, messages)
}

func parseMessage(name string, raw json.RawMessage, messages []any) (any, error) {
	for _, message := range messages {
		if kind := reflect.TypeOf(message); kind.Name() == name {
			into := reflect.New(kind).Elem()
			err := parseStruct(into, raw, messages)
			return into.Interface(), err
		}
	}
	return nil, fmt.Errorf("no message of this generation is named %q", name)
}

func parseStruct(into reflect.Value, raw json.RawMessage, messages []any) error {
	var shown map[string]json.RawMessage
	if err := json.Unmarshal(raw, &shown); err != nil {
		return err
	}
	for field, content := range into.Fields() {
		raw, given := shown[field.Name]
		if !given || string(raw) == "null" {
			continue
		}
		if err := parseField(content, raw, messages); err != nil {
			return fmt.Errorf("%s: %w", field.Name, err)
		}
	}
	return nil
}

func parseField(into reflect.Value, raw json.RawMessage, messages []any) error {
	kind := into.Type()
	switch {
	case kind == reflect.TypeFor[time.Time]():
		return parseTime(into.Addr().Interface().(*time.Time), raw)
	case kind.Kind() == reflect.Interface:
		revision, err := parseRevision(raw, messages)
		if err == nil && revision != nil {
			into.Set(reflect.ValueOf(revision))
		}
		return err
	case kind.Kind() == reflect.Uint64:
		return json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), into.Addr().Interface())
	case kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct:
		return parseList(into, raw, messages)
	}
	return json.Unmarshal(raw, into.Addr().Interface())
}

func parseList(into reflect.Value, raw json.RawMessage, messages []any) error {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
	for i, raw := range list {
		if err := parseStruct(into.Index(i), raw, messages); err != nil {
			return err
		}
	}
	return nil
}

func parseTime(into *time.Time, raw json.RawMessage) error {
	var shown struct {
		MarshalHex string `json:"marshal_hex"`
	}
	if err := json.Unmarshal(raw, &shown); err != nil {
		return err
	}
	marshalled, err := hex.DecodeString(shown.MarshalHex)
	if err != nil {
		return err
	}
	return into.UnmarshalBinary(marshalled)
}

var revisionTypes = typesByName(
	false, "", 0, int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0), uintptr(0),
	float32(0), float64(0), complex64(0), complex128(0), []byte(nil), []bool(nil), []string(nil), []int(nil), []int64(nil),
)

func typesByName(values ...any) map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, value := range values {
		types[reflect.TypeOf(value).String()] = reflect.TypeOf(value)
	}
	return types
}

type shownRevision struct {
	GoType  string          `json:"go_type"`
	Value   json.RawMessage `json:"value"`
	Decimal string          `json:"value_decimal"`
	Text    string          `json:"value_text"`
	Bits    string          `json:"bits"`
}

func parseRevision(raw json.RawMessage, messages []any) (any, error) {
	var bare string
	if json.Unmarshal(raw, &bare) == nil {
		return parseBareRevision(raw, bare)
	}
	var shown shownRevision
	if err := json.Unmarshal(raw, &shown); err != nil {
		return nil, err
	}
	if name, isMessage := strings.CutPrefix(shown.GoType, "syncproto."); isMessage {
		return parseMessage(name, shown.Value, messages)
	}
	kind, known := revisionTypes[shown.GoType]
	if !known {
		return nil, fmt.Errorf("no revision has the type %q", shown.GoType)
	}
	into := reflect.New(kind)
	err := shown.parse(into.Elem())
	return into.Elem().Interface(), err
}

// parseBareRevision takes digits for a uint64 and all else for bytes.
func parseBareRevision(raw json.RawMessage, bare string) (any, error) {
	if number, err := strconv.ParseUint(bare, 10, 64); err == nil {
		return number, nil
	}
	var bytes []byte
	err := json.Unmarshal(raw, &bytes)
	return bytes, err
}

func (r *shownRevision) parse(into reflect.Value) error {
	switch {
	case r.Bits != "":
		bits, err := strconv.ParseUint(r.Bits, 16, 64)
		into.SetFloat(math.Float64frombits(bits))
		return err
	case r.Text != "" && into.CanComplex():
		number, err := strconv.ParseComplex(r.Text, 128)
		into.SetComplex(number)
		return err
	case r.Text != "":
		number, err := strconv.ParseFloat(r.Text, 64)
		into.SetFloat(number)
		return err
	case r.Decimal != "":
		return json.Unmarshal([]byte(r.Decimal), into.Addr().Interface())
	case r.Value != nil:
		return json.Unmarshal(r.Value, into.Addr().Interface())
	}
	return errors.New("a revision without a value")
}

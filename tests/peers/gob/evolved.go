package main

import (
	"encoding/gob"
	"io"
	"reflect"
	"slices"
	"time"

	"github.com/networkdb/networkdb/tests/peers/gob/syncproto"
)

// variant is a peer whose structs differ from today's.
type variant struct {
	derive   func(reflect.Type) reflect.Type // its struct in place of one of ours
	envelope reflect.Type                    // nil: ours
	shift    int                             // types that got their ids before
	last     any                             // one more message at the end
}

var variants = map[string]variant{
	"extra-fields":     {derive: extended, envelope: reflect.TypeFor[largerEnvelope]()},
	"missing-fields":   {derive: shortened},
	"reordered-fields": {derive: reversed},
	"renamed-types":    {derive: renamed, envelope: reflect.TypeFor[Wrapper]()},
	"unknown-message":  {derive: unchanged, last: MsgFutureThing{A: 1}},
	"other-ids":        {derive: unchanged, shift: 500},
}

type (
	largerEnvelope struct {
		Seq     uint64
		Message any
		Sent    time.Time
	}
	MsgFutureThing struct{ A int }

	Wrapper  struct{ Message any }
	Greeting syncproto.MsgClientHello
	Answer   syncproto.MsgServerHello
	Afresh   syncproto.MsgDecoderRestart
	Yes      syncproto.MsgACK
	State    syncproto.MsgSyncStatus
	Knock    syncproto.MsgPing
	Back     syncproto.MsgPong
	Rows     struct{ KVs []Row }
	Row      syncproto.SerializedUpdate
)

func unchanged(kind reflect.Type) reflect.Type { return kind }

func renamed(kind reflect.Type) reflect.Type {
	names := map[reflect.Type]reflect.Type{}
	others := []any{Greeting{}, Answer{}, Afresh{}, Yes{}, State{}, Knock{}, Back{}, Rows{}}
	for i, message := range syncproto.Messages() {
		names[reflect.TypeOf(message)] = reflect.TypeOf(others[i])
	}
	return names[kind]
}

func reversed(kind reflect.Type) reflect.Type {
	list := derivedFields(kind, reversed)
	slices.Reverse(list)
	return reflect.StructOf(list)
}

// shortened keeps the first half of the fields.
func shortened(kind reflect.Type) reflect.Type {
	list := derivedFields(kind, shortened)
	return reflect.StructOf(list[:(len(list)+1)/2])
}

// extended has new fields of all kinds in front and at the end.
func extended(kind reflect.Type) reflect.Type {
	var list []reflect.StructField
	for _, extra := range extras {
		list = append(list, reflect.StructField{Name: extra.name, Type: reflect.TypeOf(extra.value)})
	}
	list = append(list, reflect.StructField{Name: "NewAny", Type: reflect.TypeFor[any]()})
	return reflect.StructOf(slices.Insert(list, len(list)/2, derivedFields(kind, extended)...))
}

var extras = []struct {
	name  string
	value any
}{
	{"NewBool", true},
	{"NewInt", -7},
	{"NewFloat", 1.5},
	{"NewComplex", 1 - 3.5i},
	{"NewText", "new"},
	{"NewBytes", []byte{1, 2}},
	{"NewArray", [2]uint{3, 4}},
	{"NewList", []string{"a", "b"}},
	{"NewMap", map[string]int{"one": 1}},
	{"NewStruct", struct {
		A int
		B []struct{ C string }
	}{5, []struct{ C string }{{"c"}}}},
	{"NewTime", time.Unix(1550830272, 5).UTC()},
}

// derivedFields are a struct's, with derived elements where it has a list of structs.
func derivedFields(kind reflect.Type, derive func(reflect.Type) reflect.Type) []reflect.StructField {
	var list []reflect.StructField
	for field := range kind.Fields() {
		inner := field.Type
		if inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct {
			inner = reflect.SliceOf(derive(inner.Elem()))
		}
		list = append(list, reflect.StructField{Name: field.Name, Type: inner})
	}
	return list
}

func (v *variant) register() {
	ids := gob.NewEncoder(io.Discard)
	for length := range v.shift {
		ids.EncodeValue(reflect.New(reflect.ArrayOf(length+1, reflect.TypeFor[int]())))
	}
	for _, message := range syncproto.Messages() {
		kind := reflect.TypeOf(message)
		gob.RegisterName(syncproto.Prefix+kind.Name(), reflect.Zero(v.derive(kind)).Interface())
	}
	if v.last != nil {
		gob.RegisterName(syncproto.Prefix+reflect.TypeOf(v.last).Name(), v.last)
	}
}

// wrap puts a message as this variant has it into its envelope.
func (v *variant) wrap(message any) any {
	if message != nil && message != v.last {
		source := reflect.ValueOf(message)
		into := reflect.New(v.derive(source.Type())).Elem()
		copyByName(into, source)
		message = into.Interface()
	}
	if v.envelope == nil {
		return &syncproto.Envelope{Message: message}
	}
	envelope := reflect.New(v.envelope)
	if message != nil {
		envelope.Elem().FieldByName("Message").Set(reflect.ValueOf(message))
	}
	if larger, ok := envelope.Interface().(*largerEnvelope); ok {
		larger.Seq, larger.Sent = 1, time.Unix(1700000000, 600).UTC()
	}
	return envelope.Interface()
}

// copyByName fills a variant's struct from ours, and what ours has not from extras.
func copyByName(into, from reflect.Value) {
	for field, content := range into.Fields() {
		source := from.FieldByName(field.Name)
		if !source.IsValid() {
			content.Set(reflect.ValueOf(extraValue(field.Name)))
		} else if source.Type().AssignableTo(content.Type()) {
			content.Set(source)
		} else {
			copyList(content, source)
		}
	}
}

func copyList(into, from reflect.Value) {
	into.Set(reflect.MakeSlice(into.Type(), from.Len(), from.Len()))
	for i := range from.Len() {
		copyByName(into.Index(i), from.Index(i))
	}
}

func extraValue(name string) any {
	for _, extra := range extras {
		if extra.name == name {
			return extra.value
		}
	}
	return "of any type"
}

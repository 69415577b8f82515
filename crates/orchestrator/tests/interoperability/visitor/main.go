// Visits a server over mutual TLS as a program with grpc-go does and prints how each call came out, one line each, as visitor.py does.
//
// The package api is generated from crates/proto/proto. Start at main.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"visitor/api"
)

const deadline = 20 * time.Second

func main() {
	address := flag.String("address", "", "")
	organization := flag.String("organization", "", "")
	channel := flag.String("channel", "", "")
	authority := flag.String("authority", "", "PEM file")
	certificate := flag.String("certificate", "", "PEM file")
	key := flag.String("key", "", "PEM file")
	flag.Parse()

	identity, err := identify(*authority, *certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	// Pings come every minute, and only while there is a call.
	pings := grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute})
	connection, err := grpc.NewClient(*address, grpc.WithTransportCredentials(identity), pings)
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()

	ctx := metadata.AppendToOutgoingContext(context.Background(), "mspid", *organization, "channel", *channel)
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	organizations := api.NewOrganizationServiceClient(connection)
	events := api.NewEventServiceClient(connection)
	fmt.Println("register:", outcome(register(ctx, organizations, "http://"+strings.ToLower(*organization)+".example")))
	fmt.Println("list:", outcome(list(ctx, organizations)))
	fmt.Println("stream:", outcome(firstEvent(ctx, events)))
}

func identify(authority, certificate, key string) (credentials.TransportCredentials, error) {
	trusted, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(trusted) {
		return nil, fmt.Errorf("%s has no certificate", authority)
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(&tls.Config{RootCAs: authorities, Certificates: []tls.Certificate{pair}}), nil
}

// OK and what came, or the status and its text.
func outcome(found string, err error) string {
	refusal := status.Convert(err)
	switch refusal.Code() {
	case codes.OK:
		return "OK " + found
	case codes.Unavailable:
		// The rest of the text is the library's own.
		return "UNAVAILABLE"
	case codes.PermissionDenied:
		return "PERMISSION_DENIED " + refusal.Message()
	case codes.AlreadyExists:
		return "ALREADY_EXISTS " + refusal.Message()
	default:
		return refusal.Code().String() + " " + refusal.Message()
	}
}

func register(ctx context.Context, organizations api.OrganizationServiceClient, address string) (string, error) {
	organization, err := organizations.RegisterOrganization(ctx, &api.RegisterOrganizationParam{Address: address})
	return organization.GetId(), err
}

func list(ctx context.Context, organizations api.OrganizationServiceClient) (string, error) {
	answer, err := organizations.GetAllOrganizations(ctx, &api.GetAllOrganizationsParam{})
	ids := []string{}
	for _, organization := range answer.GetOrganizations() {
		ids = append(ids, organization.GetId())
	}
	return strings.Join(ids, ","), err
}

func firstEvent(ctx context.Context, events api.EventServiceClient) (string, error) {
	stream, err := events.SubscribeToEvents(ctx, &api.SubscribeToEventsParam{})
	if err != nil {
		return "", err
	}
	event, err := stream.Recv()
	return event.GetAssetKey(), err
}

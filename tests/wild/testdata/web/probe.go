package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// message is longer than a packet.
var message = strings.Repeat("message ", 1000)

// probe exchanges messages with the websockets of the server at addr.
func probe(addr string) error {
	c, _, err := gorilla.DefaultDialer.Dial("ws://"+addr+"/gorilla", nil)
	if err != nil {
		return err
	}
	defer c.Close()
	for range 100 {
		if err := c.WriteMessage(gorilla.TextMessage, []byte(message)); err != nil {
			return err
		}
		_, got, err := c.ReadMessage()
		if err != nil {
			return err
		}
		if string(got) != message {
			return fmt.Errorf("gorilla: another message of %d bytes came back", len(got))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	w, _, err := coder.Dial(ctx, "ws://"+addr+"/coder", nil)
	if err != nil {
		return err
	}
	defer w.CloseNow()
	for range 100 {
		if err := w.Write(ctx, coder.MessageText, []byte(message)); err != nil {
			return err
		}
		_, got, err := w.Read(ctx)
		if err != nil {
			return err
		}
		if string(got) != message {
			return fmt.Errorf("coder: another message of %d bytes came back", len(got))
		}
	}
	return nil
}

// Command web serves by several web frameworks at once, each at its own port, with
// websockets, HTTP/2 and metrics. With the arguments "probe" and ADDRESS it is the
// client of the websockets.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "expvar"
	"log"
	"math/big"
	"net/http"
	_ "net/http/pprof"
	"os"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gofiber/fiber/v2"
	gorilla "github.com/gorilla/websocket"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/sirupsen/logrus"
	_ "go.uber.org/automaxprocs"
	"go.uber.org/zap"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "probe" {
		if err := probe(os.Args[2]); err != nil {
			log.Fatal(err)
		}
		return
	}
	go serve("gin", ":8081", ginHandler())
	go serve("echo", ":8082", echoHandler())
	go fiberServer(":8083")
	go serve("chi", ":8084", chiHandler())
	go tlsServer(":8443")
	http.Handle("/metrics", promhttp.Handler())
	http.HandleFunc("/gorilla", gorillaEcho)
	http.HandleFunc("/coder", coderEcho)
	zap.Must(zap.NewProduction()).Info("ready", zap.String("by", "zap"))
	serve("net/http", ":8080", nil)
}

func serve(name, addr string, h http.Handler) {
	logrus.WithField("framework", name).Info("listening")
	log.Fatal(http.ListenAndServe(addr, h))
}

func ginHandler() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.Default()
	r.GET("/hello/:name", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"hello": c.Param("name")}) })
	return r
}

func echoHandler() http.Handler {
	e := echo.New()
	e.GET("/hello/:name", func(c echo.Context) error {
		return c.JSON(http.StatusOK, map[string]string{"hello": c.Param("name")})
	})
	return e
}

func fiberServer(addr string) {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/hello/:name", func(c *fiber.Ctx) error { return c.JSON(fiber.Map{"hello": c.Params("name")}) })
	log.Fatal(app.Listen(addr))
}

func chiHandler() http.Handler {
	r := chi.NewRouter()
	r.Get("/hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"hello":"` + chi.URLParam(r, "name") + `"}`))
	})
	return r
}

// tlsServer serves HTTP/2, with a certificate of its own.
func tlsServer(addr string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "wild"},
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr:    addr,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.Proto)) }),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{{
			Certificate: [][]byte{der}, PrivateKey: key,
		}}},
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}

func gorillaEcho(w http.ResponseWriter, r *http.Request) {
	u := gorilla.Upgrader{}
	c, err := u.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		kind, data, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func coderEcho(w http.ResponseWriter, r *http.Request) {
	c, err := coder.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}

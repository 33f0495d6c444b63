// Beside the page's hufu.go. A refusal is reported as an SDK does that knows one when it sees it.
package main

import (
	"os"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
)

// accessTokenServer is core.AccessTokenServer of chanxuehong/wechat.
type accessTokenServer interface {
	Token() (token string, err error)
	RefreshToken(currentToken string) (token string, err error)
	IID01332E16DF5011E5A9D5A4DB30FED8E1()
}

func main() {
	util.DefaultHTTPClient.Transport = platform{}
	account := wechat.NewWechat().GetOfficialAccount(&config.Config{
		AppID: os.Getenv("APP"), AppSecret: "unused", Cache: cache.NewMemory(),
	})
	// THE SNIPPET
	var server accessTokenServer = hufu
	answer(map[string]func() (string, error){
		"token": account.GetAccessToken,
		"call":  func() (string, error) { _, err := account.GetBasic().GetCallbackIP(); return "ok", err },
		"refused": func() (string, error) {
			token, err := server.Token()
			if err != nil {
				return "", err
			}
			return server.RefreshToken(token)
		},
	})
}

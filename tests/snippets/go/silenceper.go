// Usage: silenceper classic|stable
package main

import (
	"os"
	"strings"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
)

func main() {
	util.DefaultHTTPClient.Transport = platform{}
	// THE SNIPPET
	account := wechat.NewWechat().GetOfficialAccount(&config.Config{
		AppID: os.Getenv("APP"), AppSecret: os.Getenv("HUFU_KEY"), Cache: cache.NewMemory(),
		UseStableAK: os.Args[1] == "stable",
	})
	answer(map[string]func() (string, error){
		"token": account.GetAccessToken,
		"call":  func() (string, error) { _, err := account.GetBasic().GetCallbackIP(); return "ok", err },
	})
}

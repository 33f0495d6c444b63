"""Commands come on standard input, a line each; every answer is a line."""

import os
import sys

import wechatpy

# THE SNIPPET
client.API_BASE_URL = os.environ["PLATFORM"] + "/cgi-bin/"
commands = {
    "token": lambda: client.access_token,
    "call": lambda: client.misc.get_wechat_ips() is not None and "ok",
    "healed": lambda: call(client.misc.get_wechat_ips) is not None and "ok",
}
for line in sys.stdin:
    try:
        answer = commands[line.strip()]()
    except wechatpy.WeChatException as error:
        answer = f"error: {error.errcode}"
    print(answer, flush=True)

"""The official SDK's client, with a key: ``KEY=kf_api_… python client.py http://127.0.0.1:8000/mcp``.

It lists the tools, reads the tickets, and tries to close one. ``MODE=legacy`` speaks an older version of the protocol.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, key: str, mode: Any) -> None:  # noqa: ANN401 - the SDK's own type of modes
    """Call both tools, and say what came of it."""
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http_client:
        transport = streamable_http_client(url, http_client=http_client)
        async with Client(transport, mode=mode) as client:
            print("tools", sorted(tool.name for tool in (await client.list_tools()).tools))
            for name, arguments in (("list_tickets", {}), ("close_ticket", {"number": 1})):
                try:
                    result = await client.call_tool(name, arguments)
                except Exception as error:  # noqa: BLE001 - whatever the transport makes of a refusal
                    print(name, "refused", type(error).__name__)
                else:
                    words = [getattr(part, "text", "") for part in result.content]
                    print(name, "failed" if result.is_error else "said", *words)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], os.environ["KEY"], os.environ.get("MODE", "auto")))

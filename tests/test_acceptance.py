"""The contract's five steps against the whole engine: a real bus, scripted models and no Ray."""

from pathlib import Path

import grpc
import pytest
from acceptance import accepted
from contract import ContractClient
from whole import whole_engine

pytestmark = [pytest.mark.nats, pytest.mark.timeout(60)]


async def test_a_client_of_the_contract_alone_accepts_the_engine(tmp_path: Path) -> None:
    """Its messages are made of the contract's table; nothing of ours is imported to make them."""
    with whole_engine(tmp_path) as whole:
        async with grpc.aio.insecure_channel(whole.target) as channel:
            await accepted(ContractClient(channel))
        assert whole.deaths == []

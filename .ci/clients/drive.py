"""Uses `local up` with boto3 and the AWS CLI, and asserts that it answers as AWS does.

    python drive.py LOCAL AWS       the paths of the two programs
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from decimal import Decimal

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

LOCAL, AWS = sys.argv[1:3]
SHORT = ["FunctionTimeout=2", "VisibilityTimeout=2", "MaxReceiveCount=2"]


def order(name, amount=700, customer="ada", wrong=0):
    items = [{"sku": "tea", "quantity": 1, "price": amount}]
    return json.dumps({"id": name, "customer": customer, "items": items, "amount": amount + wrong})


def until(what, probe, seconds=30):
    """Waits until the probe returns something true, and returns it."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return found


def refused(error, call, **arguments):
    """Calls and expects an error, given as an exception class or as a code. Returns its response."""
    try:
        call(**arguments)
    except ClientError as refusal:
        if isinstance(error, str):
            assert refusal.response["Error"]["Code"] == error, refusal
        else:
            assert isinstance(refusal, error), repr(refusal)
        return refusal.response
    raise AssertionError(f"{call} was not refused")


class Boto3:
    """Checks with boto3, in the environment that `local up` prints."""

    def __init__(self):
        config = Config(retries={"total_max_attempts": 1})
        self.sqs, self.dynamodb, self.functions = (
            boto3.client(name, config=config) for name in ("sqs", "dynamodb", "lambda")
        )
        self.tables = boto3.resource("dynamodb")

    def url(self, queue):
        return self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    def item(self, table, key):
        return self.tables.Table(table).get_item(Key={"id": key}, ConsistentRead=True).get("Item")

    def check_queues_of_the_template_are_listed_and_described(self):
        urls = self.sqs.list_queues()["QueueUrls"]
        names = {url.rsplit("/", 1)[1] for url in urls}
        assert {"orders", "orders-dlq", "notifications", "notifications-dlq"} <= names, names
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url("orders"), AttributeNames=["All"])["Attributes"]
        assert attributes["VisibilityTimeout"] == "2", attributes
        redrive = json.loads(attributes["RedrivePolicy"])
        assert redrive["deadLetterTargetArn"].endswith(":orders-dlq") and int(redrive["maxReceiveCount"]) == 2

    def check_a_missing_queue_raises_boto3s_exception(self):
        response = refused(self.sqs.exceptions.QueueDoesNotExist, self.url, queue="nowhere")
        assert response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue", response

    def check_orders_are_processed_once(self):
        body = order("boto-1")
        # boto3 itself checks the MD5s of body and attributes in the response.
        source = {"source": {"DataType": "String", "StringValue": "boto3"}}
        self.sqs.send_message(QueueUrl=self.url("orders"), MessageBody=body, MessageAttributes=source)
        self.sqs.send_message(QueueUrl=self.url("orders"), MessageBody=body)
        entries = [{"Id": str(n), "MessageBody": order(f"boto-batch-{n}")} for n in range(10)]
        sent = self.sqs.send_message_batch(QueueUrl=self.url("orders"), Entries=entries)
        assert len(sent["Successful"]) == 10 and not sent.get("Failed"), sent
        total = 11 * 700
        until("the total", lambda: (self.item("customers", "ada") or {}).get("total") == total)
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = lambda: self.sqs.get_queue_attributes(QueueUrl=self.url("orders"), AttributeNames=counts)["Attributes"]
        until("an empty queue", lambda: set(left().values()) == {"0"})
        assert self.item("customers", "ada")["total"] == total
        orders = self.tables.Table("orders").scan()["Items"]
        assert sum(item["id"].startswith("boto-") for item in orders) == 11, orders
        assert self.item("orders", "boto-1")["items"][0]["price"] == Decimal(700)

    def check_an_order_that_does_not_add_up_ends_in_the_dead_letter_queue(self):
        sent = self.sqs.send_message(QueueUrl=self.url("orders"), MessageBody=order("boto-wrong", wrong=1))
        dead = self.receive("orders-dlq")
        arn = self.sqs.get_queue_attributes(QueueUrl=self.url("orders"), AttributeNames=["QueueArn"])
        arn = arn["Attributes"]["QueueArn"]
        attributes = {name: json.loads(value["StringValue"]) for name, value in dead["MessageAttributes"].items()}
        reason = "order boto-wrong does not add up: amount is 701, its lines make 700"
        assert attributes == {
            "Consumer.Failure": {"reason": reason, "function": "place-order", "receiveCount": 1},
            "Consumer.Original": {"messageId": sent["MessageId"], "queue": arn},
        }, attributes
        self.sqs.delete_message(QueueUrl=self.url("orders-dlq"), ReceiptHandle=dead["ReceiptHandle"])
        assert self.item("orders", "boto-wrong") is None
        records = self.tables.Table("idempotency").scan(
            FilterExpression="#s = :rejected",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":rejected": "REJECTED"},
        )["Items"]
        assert any(record["reason"] == reason for record in records), records

    def receive(self, queue):
        request = {"QueueUrl": self.url(queue), "WaitTimeSeconds": 20}
        request |= {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
        return until(f"a message in {queue}", lambda: self.sqs.receive_message(**request).get("Messages"))[0]

    def check_a_fifo_queue_keeps_order_and_holds_its_group(self):
        fifo = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        url = self.sqs.create_queue(QueueName="boto.fifo", Attributes=fifo)["QueueUrl"]
        send = lambda body: self.sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")
        first, again, _ = send("one"), send("one"), send("two")
        assert first["MessageId"] == again["MessageId"] and first["SequenceNumber"] == again["SequenceNumber"]
        one = self.receive("boto.fifo")
        assert one["Body"] == "one" and one["Attributes"]["MessageGroupId"] == "g", one
        assert "Messages" not in self.sqs.receive_message(QueueUrl=url)
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        assert self.receive("boto.fifo")["Body"] == "two"
        refused("MissingParameter", self.sqs.send_message, QueueUrl=url, MessageBody="no group")
        self.sqs.delete_queue(QueueUrl=url)
        refused(self.sqs.exceptions.QueueDoesNotExist, self.url, queue="boto.fifo")

    def check_visibility_attributes_and_purge(self):
        url = self.sqs.create_queue(QueueName="boto", Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        attributes = {"n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"\0"}}
        self.sqs.send_message(QueueUrl=url, MessageBody="body", MessageAttributes=attributes)
        got = self.receive("boto")
        assert got["MessageAttributes"] == attributes, got
        self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
        assert self.receive("boto")["Attributes"]["ApproximateReceiveCount"] == "2"
        self.sqs.purge_queue(QueueUrl=url)
        count = ["ApproximateNumberOfMessagesNotVisible"]
        assert self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=count)["Attributes"][count[0]] == "0"

    def check_conditional_writes_and_transactions_fail_as_on_aws(self):
        key = {"AttributeName": "id"}
        self.dynamodb.create_table(
            TableName="boto",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[key | {"AttributeType": "S"}],
            KeySchema=[key | {"KeyType": "HASH"}],
        )
        self.dynamodb.get_waiter("table_exists").wait(TableName="boto", WaiterConfig={"Delay": 1})
        put = {"TableName": "boto", "Item": {"id": {"S": "k"}, "n": {"N": "1"}}}
        once = put | {
            "ConditionExpression": "attribute_not_exists(id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        self.dynamodb.put_item(**once)
        failed = self.dynamodb.exceptions.ConditionalCheckFailedException
        response = refused(failed, self.dynamodb.put_item, **once)
        assert response["Item"] == put["Item"] and response["ResponseMetadata"]["HTTPStatusCode"] == 400, response
        other = {"Put": {"TableName": "boto", "Item": {"id": {"S": "other"}}}}
        cancelled = self.dynamodb.exceptions.TransactionCanceledException
        transaction = [other, {"Put": once}]
        response = refused(cancelled, self.dynamodb.transact_write_items, TransactItems=transaction)
        reasons = response["CancellationReasons"]
        assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"], reasons
        assert reasons[1]["Item"] == put["Item"] and self.item("boto", "other") is None, reasons
        self.dynamodb.transact_write_items(TransactItems=[other], ClientRequestToken="t")
        mismatch = self.dynamodb.exceptions.IdempotentParameterMismatchException
        token = {"TransactItems": [{"Put": put}], "ClientRequestToken": "t"}
        refused(mismatch, self.dynamodb.transact_write_items, **token)
        table = self.tables.Table("boto")
        add = {"UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": 1}, "ReturnValues": "ALL_NEW"}
        assert table.update_item(Key={"id": "k"}, **add)["Attributes"] == {"id": "k", "n": Decimal(2)}
        refused("ValidationException", table.update_item, Key={"id": "k"}, UpdateExpression="SET status = :x")
        refused(self.dynamodb.exceptions.ResourceNotFoundException, self.dynamodb.scan, TableName="nowhere")
        self.dynamodb.delete_table(TableName="boto")

    def check_functions_are_invoked_and_report_failed_messages(self):
        with open("events/place-order/wrong-sum.json", encoding="utf-8") as file:
            event = json.load(file)
        answer = self.functions.invoke(FunctionName="place-order", Payload=json.dumps(event), LogType="Tail")
        assert json.load(answer["Payload"])["batchItemFailures"] == [], "it is in the dead-letter queue"
        dead = self.receive("orders-dlq")
        original = json.loads(dead["MessageAttributes"]["Consumer.Original"]["StringValue"])
        assert original["messageId"] == event["Records"][0]["messageId"], dead
        self.sqs.delete_message(QueueUrl=self.url("orders-dlq"), ReceiptHandle=dead["ReceiptHandle"])
        assert answer["StatusCode"] == 200 and "FunctionError" not in answer and answer["LogResult"]
        now = int(time.time())
        taken = {"id": "place-order#boto-taken", "status": "INPROGRESS", "expiration": now + 3600}
        self.tables.Table("idempotency").put_item(Item=taken | {"in_progress_expiration": (now + 600) * 1000})
        event["Records"][0] |= {"messageId": "boto-taken", "body": order("boto-taken")}
        answer = self.functions.invoke(FunctionName="place-order", Payload=json.dumps(event))
        failures = json.load(answer["Payload"])["batchItemFailures"]
        assert failures == [{"itemIdentifier": "boto-taken"}], failures
        answer = self.functions.invoke(FunctionName="place-order", Payload=b"{}")
        assert answer["FunctionError"] == "Unhandled" and "errorMessage" in json.load(answer["Payload"])
        missing = self.functions.exceptions.ResourceNotFoundException
        refused(missing, self.functions.invoke, FunctionName="nowhere", Payload=b"{}")


class Cli:
    """Checks with the AWS CLI."""

    def aws(self, *arguments, refused=None):
        # Version 1, which is on PyPI, ignores AWS_ENDPOINT_URL for sqs; `local up` states this too.
        command = [AWS, "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if refused:
            assert done.returncode and refused in done.stderr, done
            return None
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def check_orders_are_sent_watched_and_scanned(self):
        url = self.aws("sqs", "get-queue-url", "--queue-name", "orders")["QueueUrl"]
        assert url in self.aws("sqs", "list-queues")["QueueUrls"]
        sent = self.aws("sqs", "send-message", "--queue-url", url, "--message-body", order("cli-1", 450, "bob"))
        assert sent["MessageId"] and sent["MD5OfMessageBody"]
        bob = ["dynamodb", "get-item", "--table-name", "customers", "--key", '{"id": {"S": "bob"}}']
        assert until("the total", lambda: self.aws(*bob))["Item"]["total"] == {"N": "450"}
        tables = self.aws("dynamodb", "list-tables")["TableNames"]
        assert tables == ["customers", "idempotency", "orders", "stock"], tables
        items = self.aws("dynamodb", "scan", "--table-name", "orders")["Items"]
        assert any(item["id"]["S"] == "cli-1" for item in items), items

    def check_the_dead_letter_queue_is_received_from_and_purged(self):
        url = self.aws("sqs", "get-queue-url", "--queue-name", "orders")["QueueUrl"]
        self.aws("sqs", "send-message", "--queue-url", url, "--message-body", "{ broken")
        receive = ["sqs", "receive-message", "--queue-url", f"{url}-dlq", "--message-attribute-names", "All"]
        dead = until("the message", lambda: self.aws(*receive, "--wait-time-seconds", "10"))["Messages"][0]
        reason = json.loads(dead["MessageAttributes"]["Consumer.Failure"]["StringValue"])["reason"]
        assert dead["Body"] == "{ broken" and reason.startswith("malformed body: "), dead
        self.aws("sqs", "purge-queue", "--queue-url", f"{url}-dlq")

    def check_errors_are_shown_with_their_codes(self):
        missing = ["sqs", "get-queue-url", "--queue-name", "nowhere"]
        self.aws(*missing, refused="(AWS.SimpleQueueService.NonExistentQueue)")
        put = ["dynamodb", "put-item", "--table-name", "customers", "--item", '{"id": {"S": "cli"}}']
        put += ["--condition-expression", "attribute_exists(id)"]
        self.aws(*put, refused="(ConditionalCheckFailedException)")
        self.aws("dynamodb", "describe-table", "--table-name", "nowhere", refused="(ResourceNotFoundException)")

    def check_a_function_is_invoked_with_a_sample_event(self):
        with tempfile.NamedTemporaryFile() as answer:
            event = "fileb://events/place-order/one-bad-among-good.json"
            response = self.aws("lambda", "invoke", "--function-name", "place-order", "--payload", event, answer.name)
            assert response == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}, response
            assert json.load(answer) == {"batchItemFailures": []}, "the bad one is in the dead-letter queue"
        url = self.aws("sqs", "get-queue-url", "--queue-name", "orders-dlq")["QueueUrl"]
        self.aws("sqs", "purge-queue", "--queue-url", url)


def up():
    """Starts the stack on a free port. Its exports become this process's environment."""
    parameters = [part for parameter in SHORT for part in ("--parameter", parameter)]
    stack = subprocess.Popen([LOCAL, "up", "--port", "0", *parameters], stdout=subprocess.PIPE, text=True)
    for line in stack.stdout:
        if export := re.fullmatch(r"\s*export (\w+)=(\S+)\n", line):
            os.environ[export[1]] = export[2]
        if "Ctrl-C stops" in line:
            return stack
    sys.exit("the stack did not start")


def down(stack):
    stack.send_signal(signal.SIGTERM)
    lines = stack.communicate(timeout=30)[0].splitlines()
    assert stack.returncode == 0 and lines[-1] == "stopped", lines
    assert any(re.search(r"place-order: \d+ messages? of orders in \d+ ms: \d+ acknowledged", line) for line in lines), lines


def main():
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    passed, failed, stack = 0, 0, up()
    checks = {
        f"{type(user).__name__}:{name.removeprefix('check').replace('_', ' ')}": getattr(user, name)
        for user in (Boto3(), Cli())
        for name in dir(user)
        if name.startswith("check_")
    }
    for name, check in (checks | {"SIGTERM: the stack stops in order": lambda: down(stack)}).items():
        try:
            check()
            passed += 1
            print(f"ok      {name}", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
    if stack.poll() is None:
        stack.kill()
    print(f"{passed} passed, {failed} failed")
    sys.exit(bool(failed))


main()

"""The local API's CORS configuration: MiniStack ignores the template's, so `streakline up` sets it.

On AWS CloudFormation sets it.
"""

from cli.stack import Stack


def set_cors(stack: Stack, stack_name: str, api_id: str) -> None:
    """Give the API the CORS configuration that the deployed template and its parameters describe."""
    cloudformation, gateway = stack.client("cloudformation"), stack.client("apigatewayv2")
    [described] = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    [origins] = [
        parameter["ParameterValue"]
        for parameter in described["Parameters"]
        if parameter["ParameterKey"] == "AllowedOrigins"
    ]
    template = cloudformation.get_template(StackName=stack_name, TemplateStage="Processed")["TemplateBody"]
    _, configuration, _ = template["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"]["Fn::If"]
    if origins:
        allowed = {**configuration, "AllowOrigins": origins.split(",")}
        gateway.update_api(ApiId=api_id, CorsConfiguration=allowed)
    else:
        gateway.delete_cors_configuration(ApiId=api_id)
